/* A 32-bit program of the oracle's workloads: files, a child, a thread, a socket. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void *work(void *unused)
{
	struct timespec pause = {0, 1000000};

	nanosleep(&pause, NULL);
	return unused;
}

int main(void)
{
	char name[] = "/tmp/oracle-i386-XXXXXX", text[6] = "";
	int file = mkstemp(name), pair[2];
	struct stat facts;
	pthread_t thread;

	if (file < 0 || write(file, "hello", 5) != 5 || fstat(file, &facts) || ftruncate(file, 4096))
		return 1;
	if (mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0) == MAP_FAILED || unlink(name))
		return 2;
	if (pthread_create(&thread, NULL, work, NULL) || pthread_join(thread, NULL))
		return 3;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || write(pair[0], "hello", 5) != 5 ||
	    read(pair[1], text, 5) != 5)
		return 4;
	if (fork() == 0) {
		execl("/bin/echo", "echo", "a 64-bit child", NULL);
		_exit(5);
	}
	wait(NULL);
	printf("%s %ld\n", text, (long)facts.st_size);
	return 0;
}
