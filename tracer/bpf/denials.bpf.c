// SPDX-License-Identifier: GPL-2.0-only
/*
 * Denials: calls that the filter refused.  sys_enter does not fire for them, sys_exit does.  So a
 * call that returns an errno which the filter can answer, and that was never seen to enter in this
 * run, was refused; likewise one that has entered, but never with these argument values.
 */

static inline void deny(struct denial_key *key)
{
	u64 one = 1, *count;

	bpf_get_current_comm(key->program, sizeof(key->program));
	count = denials.lookup(key);
	if (count)
		__sync_fetch_and_add(count, 1);
	else if (denials.insert(key, &one) == -7 /* E2BIG */)
		lose(LOST_DENIAL);
}

/* sys_exit(regs, ret) */
int on_sys_exit(struct bpf_raw_tracepoint_args *ctx)
{
	s64 result = ctx->args[1];
	struct task_struct *task;
	struct scope *all;
	int error, bit, number;
	u8 *possible;
	u32 nr, flags, slot = 0;

	if (result >= 0 || result <= -MAX_ERRNO)
		return 0;
	task = bpf_get_current_task_btf();
	if (LOAD(int, task, O_task_seccomp_mode) != SECCOMP_MODE_FILTER)
		return 0;
	error = -result;
	possible = refusal_errnos.lookup(&error);
	if (!possible || !*possible)
		return 0;
	all = get_scope();
	if (!all)
		return 0;
	number = number_of_task(all, task);
	if (number < 0)
		return 0;
	if (!run_of(all, number, &slot, &flags))
		return 0;
	/* -1 after rt_sigreturn: the registers are the interrupted call's */
	nr = READ(u32, (void *)ctx->args[0], O_regs_syscall);
	bit = nr == (u32)-1 ? -1 : bit_of(task, nr);
	if (bit < 0 || began_before(flags, nr))
		return 0;

	struct denial_key key = {.slot = slot, .index = bit, .error = error};

	key.phase = phase_of(all, number);
	if (get_bit(all->workload, slot, bit) || get_bit(all->runtime, slot, bit)) {
#ifdef ARGUMENTS
		struct argument_key known = {.slot = slot, .index = bit};
		struct spec *spec = bit < X32_BASE ? specs.lookup(&bit) : 0;

		if (!spec || !spec->count || spec->pointed || get_bit(all->overflow, slot, bit))
			return 0;
		masked_arguments(spec, (void *)ctx->args[0], bit >= COMPAT_BASE, known.value);
		if (arguments.lookup(&known))
			return 0;
		key.by_argument = 1;
		__builtin_memcpy(key.value, known.value, sizeof(key.value));
#else
		return 0;
#endif
	}
	deny(&key);
	return 0;
}

/* signal_generate(sig, info, task, group, result): SIGSYS sent by a filter that kills or traps. */
int on_signal(struct bpf_raw_tracepoint_args *ctx)
{
	struct kernel_siginfo_head { int signo, error, code; } head = {};
	struct denial_key key = {};
	struct scope *all = get_scope();
	void *info = (void *)ctx->args[1];
	u32 flags, slot = 0;
	int bit, number;

	/* 0 and 1 stand for "no info" and "from the kernel" */
	if ((int)ctx->args[0] != SIGSYS || (u64)info <= 1 || !all)
		return 0;
	bpf_probe_read_kernel(&head, sizeof(head), info);
	if (head.code != SYS_SECCOMP)
		return 0;
	number = number_of_task(all, bpf_get_current_task_btf());
	if (number < 0 || !run_of(all, number, &slot, &flags))
		return 0;
	bit = bit_of(bpf_get_current_task_btf(), READ(u32, info, O_siginfo_syscall));
	if (bit < 0) {
		lose(LOST_UNNAMED);
		return 0;
	}
	key.slot = slot;
	key.index = bit;
	key.phase = phase_of(all, number);
	deny(&key);
	return 0;
}
