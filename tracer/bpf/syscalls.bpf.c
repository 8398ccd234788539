// SPDX-License-Identifier: GPL-2.0-only
/*
 * Syscalls: what the filter let through, and with which arguments.  sys_enter fires only for
 * calls that the filter allowed, so this is exactly what a profile has to allow.
 */

static inline void keep_first(u32 slot, u32 bit, u32 phase)
{
	struct first_key key = {.slot = slot, .index = bit, .phase = phase};
	struct first value = {.ns = bpf_ktime_get_ns()};

	bpf_get_current_comm(value.program, sizeof(value.program));
	if (firsts.insert(&key, &value) == -7 /* E2BIG: the map is full */)
		lose(LOST_FIRST);
}

#ifdef ALL_PROGRAMS
static inline void keep_program(u32 slot, u32 bit)
{
	struct program_key key = {.slot = slot, .index = bit};
	u64 one = 1, *count;

	bpf_get_current_comm(key.program, sizeof(key.program));
	count = programs.lookup(&key);
	if (count)
		__sync_fetch_and_add(count, 1);
	else if (programs.insert(&key, &one) == -7 /* E2BIG */)
		lose(LOST_PROGRAM);
}
#endif

static inline int has_specified(struct scope *all, u32 bit)
{
	return (all->specified[within(bit >> 6, X32_BASE / 64)] >> (bit & 63)) & 1;
}

/* Fill `value` with the masked arguments that `spec` names; return 0 if they can't be read. */
static inline int masked_arguments(struct spec *spec, void *regs, int compat, u64 *value)
{
	u64 all[6];

	read_arguments(regs, compat, all);
	if (spec->pointed) {
		/* clone3: the flags are the first word of what the first argument points to */
		return !bpf_probe_read_user(&value[0], sizeof(u64), (void *)all[0]);
	}
#pragma unroll
	for (int i = 0; i < 3; i++) {
		if (i < spec->count) {
			u32 at = spec->index[i];
			u64 one = at == 0 ? all[0] : at == 1 ? all[1] : at == 2 ? all[2]
				: at == 3 ? all[3] : at == 4 ? all[4] : all[5];
			value[i] = one & spec->mask[i];
		}
	}
	return 1;
}

static inline void keep_arguments(struct scope *all, struct argument_key *key, u32 bit)
{
	struct count_key count_key = {.slot = key->slot, .index = bit};
	u32 one = 1, *count;
	u64 present = 1;

	if (arguments.lookup(key))
		return;
	count = argument_counts.lookup(&count_key);
	if (!count) {
		argument_counts.update(&count_key, &one);
	} else {
		if (*count >= MAX_TUPLES) {
			set_bit(all->overflow, key->slot, bit);
			return;
		}
		__sync_fetch_and_add(count, 1);
	}
	if (arguments.insert(key, &present) == -7 /* E2BIG */) {
		set_bit(all->overflow, key->slot, bit);
		lose(LOST_ARGUMENT);
	}
}

/* sys_enter(regs, id) */
int on_sys_enter(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 nr = ctx->args[1];
	struct scope *all;
	u32 phase, flags, slot = 0;
	int bit, number;

	if (LOAD(int, task, O_task_seccomp_mode) != SECCOMP_MODE_FILTER) {
		if (nr != NR_SECCOMP &&
		    (nr != NR_PRCTL ||
		     (u32)READ(u64, (void *)ctx->args[0], O_regs_first) != PR_SET_SECCOMP))
			return 0;
		all = get_scope();
		if (all)
			note_filter(all, task);
		return 0;
	}
	all = get_scope();
	if (!all)
		return 0;
	number = number_of_task(all, task);
	if (number < 0)
		return 0;
	if (!run_of(all, number, &slot, &flags))
		return 0;
	bit = bit_of(task, nr);
	if (bit < 0) {
		if (nr != (u32)-1)
			lose(LOST_UNNAMED);
		return 0;
	}
	if (flags & IN_FLIGHT) {
		u32 tid = LOAD(u32, task, O_task_pid);

		/* deleting takes a lock, and nearly always there is nothing to delete */
		if (in_flight.lookup(&tid))
			in_flight.delete(&tid);
	}
	phase = phase_of(all, number);
	if (set_bit(phase == PHASE_RUNTIME ? all->runtime : all->workload, slot, bit))
		keep_first(slot, bit, phase);
#ifdef ALL_PROGRAMS
	if (phase == PHASE_WORKLOAD)
		keep_program(slot, bit);
#endif
#ifdef ARGUMENTS
	if (bit < X32_BASE && has_specified(all, bit) && !get_bit(all->overflow, slot, bit)) {
		struct argument_key key = {.slot = slot, .index = bit};
		struct spec *spec = specs.lookup(&bit);

		if (spec && masked_arguments(spec, (void *)ctx->args[0], bit >= COMPAT_BASE, key.value))
			keep_arguments(all, &key, bit);
	}
#endif
	return 0;
}
