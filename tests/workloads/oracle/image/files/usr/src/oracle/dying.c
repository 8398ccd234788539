/* Threads that die in the middle of their calls, when the process exits. */
#include <pthread.h>
#include <unistd.h>

static void *work(void *number)
{
	char byte;
	int pair[2];

	if ((long)number % 2) {
		for (;;)
			getppid();
	}
	if (pipe(pair) == 0)
		(void)!read(pair[0], &byte, 1);
	return NULL;
}

int main(void)
{
	pthread_t thread;

	for (long i = 0; i < 16; i++)
		pthread_create(&thread, NULL, work, (void *)i);
	usleep(20000);
	_exit(0);
}
