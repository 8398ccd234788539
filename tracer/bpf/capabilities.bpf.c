// SPDX-License-Identifier: GPL-2.0-only
/*
 * Capabilities: checks that were granted and would have mattered.  Counted only if the task used
 * its own credentials (overlayfs checks with its mounter's), in the container's user namespace
 * (not in one that the workload made), by the workload (not by the runtime).  Checks made without
 * audit (security_vm_enough_memory on every mmap) are marked: their refusal changes nothing.
 */

static inline u32 made_unaudited(struct bpf_raw_tracepoint_args *ctx)
{
	u64 frames[STACK_DEPTH] = {};
	u32 found = 0;

	/* the first two frames are the tracepoint's own */
	bpf_get_stack(ctx, frames, sizeof(frames), 2);
#pragma unroll
	for (int i = 0; i < STACK_DEPTH; i++) {
		if ((frames[i] >= UNAUDITED_0 && frames[i] < UNAUDITED_0_END) ||
		    (frames[i] >= UNAUDITED_1 && frames[i] < UNAUDITED_1_END) ||
		    (frames[i] >= UNAUDITED_2 && frames[i] < UNAUDITED_2_END))
			found = 1;
	}
	return found;
}

/* cap_capable(cred, target_ns, capable_ns, cap, ret) */
int on_cap_capable(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct capability_key key = {};
	struct scope *all;
	struct container *box;
	u64 one = 1, *count;
	u32 flags, slot = 0;
	char *regs;
	int bit, number;

	if ((int)ctx->args[4] != 0)
		return 0;
	if (LOAD(int, task, O_task_seccomp_mode) != SECCOMP_MODE_FILTER)
		return 0;
	if (LOAD(u64, task, O_task_real_cred) != ctx->args[0])
		return 0;
	all = get_scope();
	if (!all)
		return 0;
	number = number_of_task(all, task);
	if (number < 0 || !run_of(all, number, &slot, &flags))
		return 0;
	box = containers.lookup(&number);
	if (!box || READ(u32, ctx->args[1], O_user_ns_inum) != box->user_ns ||
	    phase_of(all, number) == PHASE_RUNTIME)
		return 0;
	regs = (char *)bpf_task_pt_regs(task);
	bit = bit_of(task, LOAD(u32, regs, O_regs_syscall));
	key.slot = slot;
	key.capability = ctx->args[3];
	key.index = bit < 0 ? ~0u : bit;
	key.unaudited = made_unaudited(ctx);
	bpf_get_current_comm(key.program, sizeof(key.program));
	count = capabilities.lookup(&key);
	if (count)
		__sync_fetch_and_add(count, 1);
	else if (capabilities.insert(&key, &one) == -7 /* E2BIG */)
		lose(LOST_CAPABILITY);
	return 0;
}
