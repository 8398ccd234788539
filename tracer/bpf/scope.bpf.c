// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scope: which tasks are inside, into which run they record, and which of them are still the
 * container runtime.  A task is inside when its cgroup is; cgroups are learned when they are
 * made, before any task is in them, so that nothing falls between start and attach.
 */

/* What stands for a task's cgroup until that is removed: an address, two loads away. */
static inline void *place_of(struct task_struct *task)
{
	void *css_set = LOAD(void *, task, O_task_cgroups);
#ifdef CGROUP_V1
	/* v1 and hybrid: the pids hierarchy, which both cgroup drivers always use. */
	return LOAD(void *, css_set, O_css_set_pids);
#else
	return LOAD(void *, css_set, O_css_set_default);
#endif
}

/* The id of a cgroup by its place. */
static inline u64 id_of(void *place)
{
#ifdef CGROUP_V1
	void *cgroup = LOAD(void *, place, O_css_cgroup);
#else
	void *cgroup = place;
#endif
	return LOAD(u64, LOAD(void *, cgroup, O_cgroup_kn), O_kn_id);
}

static inline struct scope *get_scope(void)
{
	int zero = 0;

	return (struct scope *)scope.lookup(&zero);
}

/*
 * The number of the container that a task is in, or -1.  The first containers' places are compared
 * before anything is hashed.  They are kept here and forgotten when a cgroup of the container is
 * removed (an address may be used again; nothing runs in a removed cgroup) or its watch ends.
 */
static inline int number_of_task(struct scope *all, struct task_struct *task)
{
	void *place = place_of(task);
	u32 *number;
	u64 id;

#pragma unroll
	for (int i = 0; i < MAX_NEAR; i++) {
		if (all->near[i] == (u64)place)
			return i;
	}
	id = id_of(place);
	number = cgroups.lookup(&id);
	if (!number)
		return -1;
	if (*number < MAX_NEAR && !all->near[within(*number, MAX_NEAR)])
		all->near[within(*number, MAX_NEAR)] = (u64)place;
	return *number;
}

/* Return 1 with the slot of the run that a container records into now and its flags, or 0. */
static inline int run_of(struct scope *all, int number, u32 *slot, u32 *flags)
{
	u32 value = all->recording[within(number, MAX_CONTAINERS)];

	*flags = value & ~SLOT_MASK;
	*slot = (value & SLOT_MASK) - 1;
	return !!value;
}

/* Tell whether a call that returns, without having been seen to enter, began before its run. */
static inline int began_before(u32 flags, u32 nr)
{
	u32 tid = bpf_get_current_pid_tgid(), *was_in;

	if (flags & SETTLING)
		return 1;
	if (!(flags & IN_FLIGHT))
		return 0;
	was_in = in_flight.lookup(&tid);
	return was_in && (*was_in == ANY_CALL || *was_in == nr);
}

static inline u32 phase_of(struct scope *all, int number)
{
	u32 tid;

	if (!all->runtime_tasks[within(number, MAX_CONTAINERS)])
		return PHASE_WORKLOAD;
	tid = bpf_get_current_pid_tgid();
	return runtime_tasks.lookup(&tid) ? PHASE_RUNTIME : PHASE_WORKLOAD;
}

static inline void enter_runtime(struct scope *all, u32 tid, u32 number)
{
	int error = runtime_tasks.insert(&tid, &number);

	if (!error)
		__sync_fetch_and_add(&all->runtime_tasks[within(number, MAX_CONTAINERS)], 1);
	else if (error != -17 /* EEXIST: runtimes probe seccomp() before they use it */)
		lose(LOST_RUNTIME_TASK);
}

static inline void leave_runtime(u32 tid)
{
	u32 *index = runtime_tasks.lookup(&tid);
	struct scope *all = get_scope();
	u32 number;

	if (!index || !all)
		return;
	number = *index;
	runtime_tasks.delete(&tid);
	/* BPF has no atomic subtraction */
	__sync_fetch_and_add(&all->runtime_tasks[within(number, MAX_CONTAINERS)], -1);
}

/*
 * Called for an unfiltered task that is about to install a filter.  Inside a container only the
 * runtime is ever unfiltered: it is the runtime until its execve.  Its user namespace is the
 * container's.
 */
static inline void note_filter(struct scope *all, struct task_struct *task)
{
	int key = number_of_task(all, task);
	struct container *box;
	void *cred;

	if (key < 0)
		return;
	box = containers.lookup(&key);
	if (!box)
		return;
	cred = LOAD(void *, task, O_task_real_cred);
	box->user_ns = LOAD(u32, LOAD(void *, cred, O_cred_user_ns), O_user_ns_inum);
	enter_runtime(all, bpf_get_current_pid_tgid(), key);
}

/* Ids are per hierarchy: tell whether a cgroup is in the one that we look at. */
static inline int is_our_hierarchy(void *cgroup)
{
	void *root = READ(void *, cgroup, O_cgroup_root);

#ifdef CGROUP_V1
	return !!(READ(u32, root, O_root_mask) & (1u << PIDS_SUBSYS));
#else
	return READ(int, root, O_root_hierarchy) == 0;
#endif
}

/* cgroup_mkdir(cgrp, path): a container's own cgroup by its name, or a child of one inside. */
int on_cgroup_mkdir(struct bpf_raw_tracepoint_args *ctx)
{
	void *cgroup = (void *)ctx->args[0];
	void *node = READ(void *, cgroup, O_cgroup_kn);
	u64 id = READ(u64, node, O_kn_id);
	struct name_key name = {};
	struct container *box;
	u32 *index, value;
	int key;

	if (!is_our_hierarchy(cgroup))
		return 0;
	bpf_probe_read_kernel_str(name.text, sizeof(name.text), READ(void *, node, O_kn_name));
	index = names.lookup(&name);
	if (!index) {
		void *css = READ(void *, cgroup, O_cgroup_parent);
		void *parent = css ? READ(void *, css, O_css_cgroup) : 0;
		void *parent_node = parent ? READ(void *, parent, O_cgroup_kn) : 0;
		u64 parent_id = parent_node ? READ(u64, parent_node, O_kn_id) : 0;

		index = cgroups.lookup(&parent_id);
	}
	if (!index)
		return 0;
	value = *index;
	if (cgroups.update(&id, &value)) {
		lose(LOST_CGROUP);
		return 0;
	}
	key = value;
	box = containers.lookup(&key);
	if (box)
		__sync_fetch_and_add(&box->cgroups, 1);
	return 0;
}

/* cgroup_rmdir(cgrp, path): make room again. */
int on_cgroup_rmdir(struct bpf_raw_tracepoint_args *ctx)
{
	void *cgroup = (void *)ctx->args[0];
	void *node = READ(void *, cgroup, O_cgroup_kn);
	u64 id = READ(u64, node, O_kn_id);
	struct scope *all = get_scope();
	u32 *number;

	if (!all || !is_our_hierarchy(cgroup))
		return 0;
	number = cgroups.lookup(&id);
	if (!number)
		return 0;
	if (*number < MAX_NEAR)
		all->near[within(*number, MAX_NEAR)] = 0;
	cgroups.delete(&id);
	return 0;
}

/* sched_process_exec(task, old_pid, bprm): the runtime has become the workload. */
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scope *all = get_scope();
	struct container *box;
	int number;

	if (!all || LOAD(int, task, O_task_seccomp_mode) != SECCOMP_MODE_FILTER)
		return 0;
	number = number_of_task(all, task);
	if (number < 0)
		return 0;
	box = containers.lookup(&number);
	if (!box)
		return 0;
	if (!box->execs)
		box->bounding = LOAD(u64, LOAD(void *, task, O_task_real_cred), O_cred_bounding);
	__sync_fetch_and_add(&box->execs, 1);
	leave_runtime((u32)ctx->args[1]);
	leave_runtime(bpf_get_current_pid_tgid());
	return 0;
}

/* sched_process_fork(parent, child): a thread of the runtime is the runtime too. */
int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	u32 tid = bpf_get_current_pid_tgid();
	u32 *index = runtime_tasks.lookup(&tid);
	struct scope *all = get_scope();
	u32 number;

	if (!index || !all)
		return 0;
	number = *index;
	enter_runtime(all, READ(u32, (void *)ctx->args[1], O_task_pid), number);
	return 0;
}

/* sched_process_exit(task): a runtime that gave up before its execve. */
int on_task_exit(struct bpf_raw_tracepoint_args *ctx)
{
	leave_runtime(bpf_get_current_pid_tgid());
	return 0;
}
