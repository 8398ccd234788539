/*
 * What the benchmark measures: loops of cheap system calls, on request.
 *
 *   worker                         reads lines "LOOP CALLS BATCHES" and answers with "CPU WALL",
 *                                  nanoseconds per call: the smallest of the batches
 *   worker enter CGROUP COMMAND…   joins a cgroup, installs a filter that allows everything and
 *                                  becomes the command, as a container runtime does
 *   worker tuples N                makes N calls, each with other arguments
 *   worker fork N                  starts /bin/true N times
 *   worker threads N               starts N threads at a time that make a call each
 *   worker flood CALLS SECONDS     makes that many calls a second for so long
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

static int zero;

static void one(const char *loop, long calls)
{
	char byte;

	if (!strcmp(loop, "getppid")) {
		for (long i = 0; i < calls; i++)
			syscall(SYS_getppid);
	} else if (!strcmp(loop, "read")) {
		for (long i = 0; i < calls; i++)
			syscall(SYS_read, zero, &byte, 1);
	} else if (!strcmp(loop, "mixed")) { /* one of eight has an argument that is recorded */
		for (long i = 0; i < calls / 8; i++) {
			syscall(SYS_getppid);
			syscall(SYS_read, zero, &byte, 1);
			syscall(SYS_lseek, zero, 0, 0);
			syscall(SYS_getuid);
			syscall(SYS_fcntl, zero, F_GETFL, 0);
			syscall(SYS_getpid);
			syscall(SYS_umask, 022);
			syscall(SYS_geteuid);
		}
	} else if (!strcmp(loop, "tuples")) { /* each call with a value of its own; all of them fail */
		static const int call[] = {SYS_ioctl, SYS_fcntl, SYS_prctl, SYS_madvise,
					   SYS_keyctl, SYS_socket, SYS_semctl, SYS_getsockopt};

		for (long i = 0; i < calls; i++) {
			long value = 0x10000000 + i;

			syscall(call[i % 8], value, value, value, 0, 0);
		}
	}
}

static void serve(void)
{
	char loop[32];
	long calls;
	int batches;

	while (scanf("%31s %ld %d", loop, &calls, &batches) == 3) {
		double cpu = 1e18, wall = 1e18;

		for (int i = 0; i < batches; i++) {
			double c = now(CLOCK_THREAD_CPUTIME_ID), w = now(CLOCK_MONOTONIC);

			one(loop, calls);
			c = now(CLOCK_THREAD_CPUTIME_ID) - c;
			w = now(CLOCK_MONOTONIC) - w;
			cpu = c < cpu ? c : cpu;
			wall = w < wall ? w : wall;
		}
		printf("%.2f %.2f\n", cpu / calls, wall / calls);
		fflush(stdout);
	}
}

static int enter(const char *cgroup, char **command)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = {1, &allow};
	char path[4096];
	int procs;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	procs = open(path, O_WRONLY);
	if (procs < 0 || write(procs, "0", 1) != 1 || close(procs))
		return perror(path), 125;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0))
		return perror("seccomp"), 125;
	execvp(command[0], command);
	return perror(command[0]), 127;
}

static void start(long times)
{
	char *command[] = {"/bin/true", NULL};

	for (long i = 0; i < times; i++) {
		pid_t child;

		if (posix_spawn(&child, command[0], NULL, NULL, command, environ) == 0)
			waitpid(child, NULL, 0);
	}
}

static pthread_barrier_t barrier;

static void *call(void *unused)
{
	pthread_barrier_wait(&barrier); /* all of them at the same time */
	syscall(SYS_gettid);
	return unused;
}

static int threads(int count)
{
	pthread_t *thread = calloc(count, sizeof(*thread));
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	pthread_barrier_init(&barrier, NULL, count);
	for (int i = 0; i < count; i++)
		if (pthread_create(&thread[i], &small, call, NULL))
			return perror("pthread_create"), 1;
	for (int i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
	return 0;
}

static void flood(long calls, int seconds)
{
	double began = now(CLOCK_MONOTONIC), wall;
	long done = 0;

	for (int i = 0; i < 100 * seconds; i++) {
		one("mixed", calls / 100);
		done += calls / 100;
		wall = now(CLOCK_MONOTONIC) - began;
		if (wall < (i + 1) * 1e7)
			usleep(((i + 1) * 1e7 - wall) / 1e3);
	}
	printf("%ld %.1f\n", done, (now(CLOCK_MONOTONIC) - began) / 1e9);
}

int main(int count, char **argument)
{
	zero = open("/dev/zero", O_RDONLY);
	if (count > 3 && !strcmp(argument[1], "enter"))
		return enter(argument[2], argument + 3);
	if (count == 3 && !strcmp(argument[1], "fork"))
		start(atol(argument[2]));
	else if (count == 3 && !strcmp(argument[1], "tuples"))
		one("tuples", atol(argument[2]));
	else if (count == 3 && !strcmp(argument[1], "threads"))
		return threads(atoi(argument[2]));
	else if (count == 4 && !strcmp(argument[1], "flood"))
		flood(atol(argument[2]), atoi(argument[3]));
	else
		serve();
	return 0;
}
