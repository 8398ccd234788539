/*
 * The kernel side's own readers of registers and syscall numbers (tracer/bpf/shared.h), compiled for
 * this machine and shown registers as the kernel saves them: those of x86-64 by the system's header,
 * those of arm64 (-DARM64) written out from arch/arm64/include/asm/ptrace.h.
 * See tests/kernel/test_architectures.py.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

struct task_struct { u64 before; u64 abi; };

#ifdef ARM64
struct registers {
	u64 regs[31], sp, pc, pstate;
	u64 orig_x0;
	int syscallno;
	u32 unused;
	u64 more[3];
};
#define O_regs_args offsetof(struct registers, regs)
#define O_regs_first offsetof(struct registers, orig_x0)
#define O_regs_syscall offsetof(struct registers, syscallno)
#else
#include <asm/ptrace.h>
#define registers pt_regs
#define O_regs_args offsetof(struct registers, rbp)
#define O_regs_first offsetof(struct registers, rdi)
#define O_regs_syscall offsetof(struct registers, orig_rax)
#endif
#define O_task_abi offsetof(struct task_struct, abi)

static long bpf_probe_read_kernel(void *to, u32 size, const void *from)
{
	memcpy(to, from, size);
	return 0;
}

#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#include "shared.h"

static void show(const char *what, struct registers *regs, struct task_struct *task)
{
	u64 value[6];

	read_arguments(regs, is_compat(task) != 0, value);
	printf("%s", what);
	for (int i = 0; i < 6; i++)
		printf(" %#llx", value[i]);
	printf(" syscall %u\n", READ(u32, regs, O_regs_syscall));
}

int main(void)
{
	struct registers regs;
	struct task_struct task = {~0ull, 0};
	const u32 numbers[] = {39, 471, 511, 512, 0x40000027, 0x0f0005, 0x0f0007, 0x0f0008, 0xfffffffe};

	/* every register its own value, with something in the upper half that a 32-bit call lacks */
	for (size_t i = 0; i < sizeof(regs) / sizeof(u64); i++)
		((u64 *)&regs)[i] = 0xab00000000ull + i;
#ifdef ARM64
	regs.regs[0] = -1; /* the result, on the way out */
	regs.orig_x0 = 0xab000000f0ull;
	regs.syscallno = 198;
	regs.unused = ~0u;
#else
	regs.orig_rax = 41;
#endif
	show("native", &regs, &task);
	task.abi = ABI_32BIT;
	show("compat", &regs, &task);
	for (int compat = 0; compat < 2; compat++) {
		/* all other flags are set: none of them may count */
		task.abi = compat ? ABI_32BIT : ~(u64)ABI_32BIT;
		printf("%s", compat ? "compat-bits" : "native-bits");
		for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
			printf(" %d", bit_of(&task, numbers[i]));
		printf("\n");
	}
	return 0;
}
