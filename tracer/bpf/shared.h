/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Limits, records and kernel access shared by all programs of the tracer.
 *
 * Every O_* and NR_* name is a -D option made from the running kernel's own BTF and from the
 * syscall table: no kernel header is trusted for a layout (see README.md in this folder).
 * The records below are the tracer's ABI; bcc derives the Python side from these same lines.
 */
#ifndef SECCOMP_SYNTH_SHARED_H
#define SECCOMP_SYNTH_SHARED_H

#define MAX_SLOTS 64          /* runs recorded at the same time, a power of two; used again */
#define MAX_CONTAINERS 64     /* containers watched at the same time; a power of two */
#define MAX_NEAR 8            /* containers whose own cgroup is found without hashing */
#define MAX_CGROUPS 8192      /* their cgroups, children included */
#define MAX_RUNTIME_TASKS 4096
#define MAX_TUPLES 64         /* distinct argument tuples kept per run and syscall */
#define MAX_ARGUMENTS 16384
#define MAX_DENIALS 8192
#define MAX_CAPABILITIES 4096
#define MAX_FIRSTS 32768
#define MAX_PROGRAMS 65536    /* (run, syscall, program) triples, if asked for */
#define MAX_IN_FLIGHT 65536   /* threads of a container that was joined or is between two runs */
#define MAX_ERRNO 4096
#define NAME_BYTES 96         /* longest cgroup directory name looked up, with its NUL */
#define STACK_DEPTH 8         /* frames searched for a capability check made without audit */

/*
 * One bit per syscall and table: 0..511 native, 512..1023 the 32-bit table, 1024..2047 x32.
 * Arm's private calls, numbered from 0xf0000, have the last eight of the 32-bit table.
 * A power of two, so that an index can be masked where the verifier wants proof.
 */
#define WORDS 32
#define COMPAT_BASE 512
#define X32_BASE 1024
#define X32_BIT 0x40000000u
#define PRIVATE_NUMBER 0x0f0000u
#define PRIVATE_BIT 504

#define PHASE_WORKLOAD 0
#define PHASE_RUNTIME 1

#define SECCOMP_MODE_FILTER 2
#define PR_SET_SECCOMP 22
#define SIGSYS 31
#define SYS_SECCOMP 1         /* si_code of a SIGSYS sent by a filter */

/* What could not be kept; counted in `losses` and carried into the recording's health. */
#define LOST_CGROUP 0
#define LOST_RUNTIME_TASK 1
#define LOST_FIRST 2
#define LOST_ARGUMENT 3
#define LOST_DENIAL 4
#define LOST_CAPABILITY 5
#define LOST_UNNAMED 6        /* a syscall number outside every table */
#define LOST_PROGRAM 7
#define LOST_KINDS 8

/*
 * Flags in `recording`, for a container that was alive before its run began: what a thread was
 * doing then has no entry, and its return looks like a refusal.
 */
#define SETTLING 0x80000000u  /* the threads are being listed: nothing is judged yet */
#define IN_FLIGHT 0x40000000u /* some of them are in a call that began before */
#define SLOT_MASK 0x0000ffffu
#define ANY_CALL 0xffffffffu  /* a thread that was on a CPU: in some call, or in none */

struct name_key { char text[NAME_BYTES]; };
struct container {
	u32 number;        /* its own index; written by user space before it starts */
	u32 cgroups;       /* cgroups learned for it; this and the rest by the kernel side */
	u64 user_ns;       /* inode number of its user namespace */
	u64 bounding;      /* bounding set after its first execve */
	u64 execs;
};
/*
 * What every call needs, in one place, so that one look-up is enough.  User space has it mapped and
 * stores single words, so that neither side overwrites what the other has just written.  A slot has
 * WORDS words of each bitmap.  Must equal `Scope` in loader.py.
 */
struct scope {
	u64 near[MAX_NEAR];                /* container -> a cgroup of it, as `place_of` has it, or 0 */
	u64 specified[X32_BASE / 64];      /* syscalls with arguments that matter; by user space */
	u32 recording[MAX_CONTAINERS];     /* container -> flags and 1 + slot, 0 between runs; by user space */
	u32 runtime_tasks[MAX_CONTAINERS]; /* container -> threads between filter and execve */
	u64 workload[MAX_SLOTS * WORDS];   /* what a run called; read and cleared by user space */
	u64 runtime[MAX_SLOTS * WORDS];    /* what its runtime called */
	u64 overflow[MAX_SLOTS * WORDS];   /* calls with more argument values than are kept */
};
/*
 * The same as the map's value: bcc generates code to print every element of an array of numbers, and
 * knows only plain numbers as sizes.
 */
#define SCOPE_BYTES 49856
struct scope_bytes { char bytes[SCOPE_BYTES]; };
_Static_assert(sizeof(struct scope) == SCOPE_BYTES, "struct scope has changed");

/* flat arrays: bcc gives Python a wrong type for nested ones */
struct first_key { u32 slot; u32 index; u32 phase; u32 pad; };
struct first { u64 ns; char program[16]; };
struct program_key { u32 slot; u32 index; char program[16]; };
struct spec { u32 count; u32 pointed; u32 index[3]; u32 pad; u64 mask[3]; };
struct argument_key { u32 slot; u32 index; u64 value[3]; };
struct count_key { u32 slot; u32 index; };
struct denial_key { u32 slot; u32 index; u32 error; u32 phase; u32 by_argument; u32 pad; u64 value[3]; char program[16]; };
struct capability_key { u32 slot; u32 capability; u32 index; u32 unaudited; char program[16]; };

/* Load from a pointer the verifier knows the type of: a wrong offset is refused at load. */
#define LOAD(type, pointer, offset) (*(type *)((char *)(pointer) + (offset)))

/* Load from an untyped kernel pointer (tracepoint arguments); for rare events only. */
#define READ(type, pointer, offset)                                                        \
	({                                                                                 \
		type value_ = 0;                                                           \
		bpf_probe_read_kernel(&value_, sizeof(value_), (char *)(pointer) + (offset)); \
		value_;                                                                    \
	})

static inline int is_compat(struct task_struct *task)
{
	return LOAD(u32, task, O_task_abi) & ABI_32BIT;
}

/* Return the bit of a syscall number, or -1 when no table has it. */
static inline int bit_of(struct task_struct *task, u32 nr)
{
#ifdef ARM64
	if ((nr & ~7u) == PRIVATE_NUMBER && is_compat(task))
		return COMPAT_BASE + PRIVATE_BIT + (nr & 7);
#else
	if (nr & X32_BIT) {
		nr &= ~X32_BIT;
		return nr < X32_BASE ? (int)(nr + X32_BASE) : -1;
	}
#endif
	if (nr >= COMPAT_BASE)
		return -1;
	return is_compat(task) ? (int)(nr + COMPAT_BASE) : (int)nr;
}

/*
 * Keep an index inside an array of `size` elements, a power of two, as the verifier wants to see it.
 * The empty asm keeps clang from dropping the mask.
 */
static inline u64 within(u64 index, u64 size)
{
	asm volatile("" : "+r"(index));
	return index & (size - 1);
}

/* The word of a slot's bitmap that has a syscall's bit. */
static inline u64 word_of(u32 slot, u32 bit)
{
	return within(slot * WORDS + (bit >> 6), MAX_SLOTS * WORDS);
}

static inline int get_bit(u64 *words, u32 slot, u32 bit)
{
	return (words[word_of(slot, bit)] >> (bit & 63)) & 1;
}

/* Set a bit and return whether it was clear; reads first, since it nearly always is set. */
static inline int set_bit(u64 *words, u32 slot, u32 bit)
{
	u64 mask = 1ull << (bit & 63);
	u64 *word = &words[word_of(slot, bit)];

	if (*word & mask)
		return 0;
	__sync_fetch_and_or(word, mask);
	return 1;
}

/*
 * Read the six syscall arguments.  On x86 the registers from bp to di are adjacent in pt_regs
 * (bp bx r11 r10 r9 r8 ax cx dx si di), so that one read serves both calling conventions.  On arm64
 * both use the first six, but the result overwrites the first, which is kept apart.
 */
static inline void read_arguments(void *regs, int compat, u64 *value)
{
#ifdef ARM64
	bpf_probe_read_kernel(value, 6 * sizeof(u64), (char *)regs + O_regs_args);
	value[0] = READ(u64, regs, O_regs_first);
#pragma unroll
	for (int i = 0; i < 6; i++)
		value[i] = compat ? (u32)value[i] : value[i];
#else
	u64 saved[11] = {};

	bpf_probe_read_kernel(saved, sizeof(saved), (char *)regs + O_regs_args);
	if (compat) {
		value[0] = (u32)saved[1];  /* bx */
		value[1] = (u32)saved[7];  /* cx */
		value[2] = (u32)saved[8];  /* dx */
		value[3] = (u32)saved[9];  /* si */
		value[4] = (u32)saved[10]; /* di */
		value[5] = (u32)saved[0];  /* bp */
		return;
	}
	value[0] = saved[10]; /* di */
	value[1] = saved[9];  /* si */
	value[2] = saved[8];  /* dx */
	value[3] = saved[3];  /* r10 */
	value[4] = saved[5];  /* r8 */
	value[5] = saved[4];  /* r9 */
#endif
}
#endif
