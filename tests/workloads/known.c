/*
 * A program that makes exactly the calls it is told to, and no other: no libc, no loader.
 * The first argument names the scenario; see tests/kernel/test_known_programs.py.
 */
static long call(long nr, long a, long b, long c, long d)
{
	long result;
	register long r10 asm("r10") = d;

	asm volatile("syscall"
		     : "=a"(result)
		     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
		     : "rcx", "r11", "memory");
	return result;
}

/* The 32-bit entry of a 64-bit program: numbers and registers of i386. */
static long call32(long nr, long a)
{
	long result;

	asm volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a) : "memory");
	return result;
}

enum {
	WRITE = 1, IOCTL = 16, GETPID = 39, SOCKET = 41, FORK = 57, EXIT = 60, WAIT4 = 61, MKDIR = 83,
	LINK = 86, CHOWN = 92, GETUID = 102, PERSONALITY = 135, UNSHARE = 272, EXIT_GROUP = 231,
	GETPPID = 110, UNASSIGNED = 400, PTRACE = 101, KEYCTL = 250, SETNS = 308, BPF = 321, CLONE3 = 435,
	CLONE_NEWPID = 0x20000000, CLONE_NEWNS = 0x20000
};

static long number_of(const char *digits)
{
	long number = 0;

	while (*digits >= '0' && *digits <= '9')
		number = 10 * number + *digits++ - '0';
	return number;
}

static void scenario(const char *name)
{
	switch (name[0]) {
	case 'p': /* plain: 23 times the same two calls */
		for (int i = 0; i < 23; i++) {
			call(GETPID, 0, 0, 0, 0);
			call(GETUID, 0, 0, 0, 0);
		}
		break;
	case 'a': /* arguments */
		call(SOCKET, 1, 1 | 0x80000, 0, 0);
		call(SOCKET, 2, 2, 0, 0);
		call(PERSONALITY, 0xffffffff, 0, 0, 0);
		break;
	case 'd': /* denied, and failing for other reasons with the same errno */
		call(MKDIR, (long)"/tmp/never", 0755, 0, 0);
		call(LINK, (long)"/tmp", (long)"/tmp/never", 0, 0);
		call(UNASSIGNED, 0, 0, 0, 0);
		break;
	case 'r': /* an argument rule: 0xffffffff is allowed, 64 is not */
		call(PERSONALITY, 0xffffffff, 0, 0, 0);
		call(PERSONALITY, 64, 0, 0, 0);
		break;
	case 'i': /* i386: getpid is 20, personality 136, in other registers */
		call32(20, 0);
		call32(136, 0xffffffff);
		break;
	case 'o': /* overflow: a hundred different requests */
		for (int i = 0; i < 100; i++)
			call(IOCTL, 0, 0x7700 + i, 0, 0);
		break;
	case 'n': /* a child in new namespaces */
		call(UNSHARE, CLONE_NEWPID | CLONE_NEWNS, 0, 0, 0);
		if (call(FORK, 0, 0, 0, 0) == 0) {
			call(GETPPID, 0, 0, 0, 0);
			call(EXIT, 0, 0, 0, 0);
		}
		call(WAIT4, -1, 0, 0, 0);
		break;
	case 'k': { /* calls whose danger is in an argument; all of them fail */
		long attributes[11] = {0x5ull << 33};

		call(KEYCTL, 0, -3, 0, 0);
		call(BPF, 5, 0, 0, 0);
		call(PTRACE, 0x4206, 0x7fffffff, 0, 0);
		call(SETNS, -1, CLONE_NEWPID, 0, 0);
		call(CLONE3, (long)attributes, sizeof(attributes), 0, 0);
		break;
	}
	case 'x': { /* x=NUMBER: that call, a thousand times, with an argument that makes it fail */
		long number = number_of(name + 2);

		for (int i = 0; i < 1000; i++)
			call(number, -1, 0, 0, 0);
		break;
	}
	case 'l': /* l=NUMBER: the same, until it is killed */
		for (long number = number_of(name + 2);;)
			call(number, -1, 0, 0, 0);
	case 'c': /* a capability: give a file away */
		call(CHOWN, (long)(name + 2), 1, 1, 0);
		break;
	}
}

void start(long *stack)
{
	char **arguments = (char **)(stack + 1);

	scenario(stack[0] > 1 ? arguments[1] : "p");
	call(EXIT_GROUP, 0, 0, 0, 0);
}

asm(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start\n");
