// SPDX-License-Identifier: GPL-2.0-only
/* The maps of the tracer.  Everything is aggregated in the kernel: no event stream, nothing to lose. */

/* One struct scope, read on every call of a filtered task and mapped by user space. */
BPF_F_TABLE("array", u32, struct scope_bytes, scope, 1, BPF_F_MMAPABLE);

/* cgroup id -> container; written at cgroup_mkdir (and by user space to join), read per call. */
BPF_HASH(cgroups, u64, u32, MAX_CGROUPS);

/* cgroup directory name -> container; written by user space before a container starts. */
BPF_HASH(names, struct name_key, u32, 1024);

/* container -> what the kernel side knows of it. */
BPF_ARRAY(containers, struct container, MAX_CONTAINERS);

/* thread -> container, for threads of the runtime between its filter and its execve. */
BPF_HASH(runtime_tasks, u32, u32, MAX_RUNTIME_TASKS);

/* (run, syscall, phase) -> who called it first and when; evidence only. */
BPF_HASH(firsts, struct first_key, struct first, MAX_FIRSTS);

#ifdef ALL_PROGRAMS
/* (run, syscall, program) -> how often; only with --evidence full. */
BPF_HASH(programs, struct program_key, u64, MAX_PROGRAMS);
#endif

/* thread -> number of the call it was in when its container's run began, until that returns. */
BPF_HASH(in_flight, u32, u32, MAX_IN_FLIGHT);

/* bit of a syscall -> which arguments matter; written once by user space. */
BPF_ARRAY(specs, struct spec, X32_BASE);

/* distinct masked argument tuples, and how many there are per run and syscall. */
BPF_HASH(arguments, struct argument_key, u64, MAX_ARGUMENTS);
BPF_HASH(argument_counts, struct count_key, u32, MAX_ARGUMENTS);

/* refused calls -> how often. */
BPF_HASH(denials, struct denial_key, u64, MAX_DENIALS);

/* granted capability checks -> how often. */
BPF_HASH(capabilities, struct capability_key, u64, MAX_CAPABILITIES);

/* errno -> 1 if the filter in force can answer it; written once by user space. */
BPF_ARRAY(refusal_errnos, u8, MAX_ERRNO);

/* LOST_* -> how often something had no room; any of it makes the recording say so. */
BPF_ARRAY(losses, u64, LOST_KINDS);

static inline void lose(int kind)
{
	u64 *count = losses.lookup(&kind);
	if (count)
		__sync_fetch_and_add(count, 1);
}
