// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the recorder is compared with: an empty program, which is the limit of what any tracer on
 * these tracepoints can reach, and the design of oci-seccomp-bpf-hook 1.3, written anew.
 */
int empty_enter(struct bpf_raw_tracepoint_args *ctx)
{
	return 0;
}

int empty_exit(struct bpf_raw_tracepoint_args *ctx)
{
	return 0;
}

/*
 * The hook's design: a perf tracepoint on every call; the task's pid namespace is read through
 * pointers and compared with the container's, which is in a hash; a hash holds the calls seen, and
 * what is not in there becomes an event.
 */
struct hook_args { u64 common; long id; unsigned long args[6]; };
struct hook_event { u32 pid; u32 id; char program[16]; };
BPF_HASH(hook_namespace, u64, u32, 16);
BPF_HASH(hook_seen, u32, u64, 1024);
BPF_PERF_OUTPUT(hook_events);

#define CHASE(type, pointer, offset)                                                       \
	({                                                                                 \
		type value_ = 0;                                                           \
		bpf_probe_read_kernel(&value_, sizeof(value_), (char *)(pointer) + (offset)); \
		value_;                                                                    \
	})

int hook_enter(struct hook_args *ctx)
{
	struct hook_event event = {.pid = bpf_get_current_pid_tgid(), .id = ctx->id};
	u64 key = 0, none = 0, *seen;
	u32 number, *wanted;
	char *proxy, *space;

	bpf_get_current_comm(event.program, sizeof(event.program));
	proxy = CHASE(char *, bpf_get_current_task(), O_task_nsproxy);
	space = CHASE(char *, proxy, O_nsproxy_pid_ns);
	number = CHASE(u32, space, O_pid_ns_inum);
	wanted = hook_namespace.lookup(&key);
	if (!wanted || *wanted != number)
		return 0;
	seen = hook_seen.lookup_or_try_init(&event.id, &none);
	if (!seen)
		return 0;
	if (*seen)
		return 0;
	*seen = 1;
	hook_events.perf_submit(ctx, &event, sizeof(event));
	return 0;
}
