/* What C programs do through libc, so that different versions of it make different calls for the
 * same work: files, threads, processes, descriptors, sockets, time, signals.  Prints "ok" or names
 * the first step that failed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(step)                                                                                \
	do {                                                                                       \
		if (!(step)) {                                                                     \
			fprintf(stderr, "%s: %s\n", #step, strerror(errno));                       \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

extern char **environ;

static void *thread(void *given)
{
	struct timespec moment = {0, 1000000};
	nanosleep(&moment, NULL);
	*(int *)given += 1;
	return NULL;
}

static volatile sig_atomic_t alarmed;

static void on_alarm(int number)
{
	(void)number;
	alarmed = 1;
}

static void files(void)
{
	char folder[] = "/tmp/portableXXXXXX", link_text[64];
	struct stat status;
	int file, found = 0;
	struct dirent *entry;
	DIR *list;

	CHECK(mkdtemp(folder) && chdir(folder) == 0);
	CHECK((file = open("a", O_RDWR | O_CREAT, 0600)) >= 0);
	CHECK(write(file, "text", 4) == 4 && pwrite(file, "T", 1, 0) == 1);
	CHECK(fstat(file, &status) == 0 && status.st_size == 4);
	CHECK(ftruncate(file, 2) == 0 && fsync(file) == 0 && fchmod(file, 0640) == 0);
	CHECK(close(file) == 0);
	CHECK(stat("a", &status) == 0 && lstat("a", &status) == 0);
	CHECK(fstatat(AT_FDCWD, "a", &status, 0) == 0);
	CHECK(chmod("a", 0700) == 0 && fchmodat(AT_FDCWD, "a", 0750, 0) == 0);
	if (fchmodat(AT_FDCWD, "a", 0700, AT_SYMLINK_NOFOLLOW) != 0)
		CHECK(errno == ENOTSUP || errno == EOPNOTSUPP);
	CHECK(access("a", R_OK) == 0 && faccessat(AT_FDCWD, "a", R_OK, AT_EACCESS) == 0);
	CHECK(chown("a", getuid(), getgid()) == 0 && lchown("a", getuid(), getgid()) == 0);
	CHECK(link("a", "b") == 0 && symlink("a", "c") == 0 && rename("b", "d") == 0);
	CHECK(readlink("c", link_text, sizeof link_text) == 1);
	CHECK(mkdir("e", 0700) == 0 && utimes("a", NULL) == 0 && mkfifo("f", 0600) == 0);
	CHECK((list = opendir(".")) != NULL);
	while ((entry = readdir(list)))
		found++;
	CHECK(found == 7 && closedir(list) == 0);
	CHECK(unlink("a") == 0 && unlink("c") == 0 && unlink("d") == 0 && unlink("f") == 0);
	CHECK(rmdir("e") == 0 && chdir("/") == 0 && rmdir(folder) == 0);
}

static void processes(char *self)
{
	char *arguments[] = {self, "child", NULL}, text[8];
	int status, pair[2];
	pid_t child;

	CHECK(pipe(pair) == 0 && (child = fork()) >= 0);
	if (child == 0)
		_exit(write(pair[1], "x", 1) == 1 ? 7 : 8);
	CHECK(read(pair[0], text, 1) == 1);
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
	CHECK((child = vfork()) >= 0);
	if (child == 0) {
		execv(self, arguments);
		_exit(9);
	}
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5);
	CHECK(posix_spawn(&child, self, NULL, NULL, arguments, environ) == 0);
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5);
	CHECK(dup2(pair[0], pair[1]) == pair[1] && close(pair[0]) == 0 && close(pair[1]) == 0);
}

static void waiting(void)
{
	struct timeval moment = {0, 1000};
	struct pollfd ready = {0, POLLOUT, 0};
	struct epoll_event event = {.events = EPOLLIN}, seen;
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval timer = {{0, 0}, {0, 2000}};
	int poller, counter;

	CHECK((counter = eventfd(0, 0)) >= 0 && (poller = epoll_create1(0)) >= 0);
	CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, counter, &event) == 0);
	CHECK(epoll_wait(poller, &seen, 1, 1) == 0);
	ready.fd = counter;
	CHECK(poll(&ready, 1, 1) == 1 && select(0, NULL, NULL, NULL, &moment) == 0);
	CHECK(close(poller) == 0 && close(counter) == 0);
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	while (!alarmed)
		usleep(500);
}

static void sockets(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof address;
	int server, client, peer, pair[2];
	char text[8];

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK((server = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
	CHECK(bind(server, (struct sockaddr *)&address, length) == 0 && listen(server, 1) == 0);
	CHECK(getsockname(server, (struct sockaddr *)&address, &length) == 0);
	CHECK((client = socket(AF_INET, SOCK_STREAM, 0)) >= 0);
	CHECK(connect(client, (struct sockaddr *)&address, length) == 0);
	CHECK((peer = accept(server, NULL, NULL)) >= 0);
	CHECK(send(client, "text", 4, 0) == 4 && recv(peer, text, 4, 0) == 4);
	CHECK(shutdown(client, SHUT_RDWR) == 0 && close(peer) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	CHECK(close(client) == 0 && close(server) == 0 && close(pair[0]) == 0);
}

int main(int count, char **arguments)
{
	pthread_t threads[4];
	int values[4] = {0}, number;
	struct utsname names;
	struct rlimit limit;
	char random[16];

	if (count > 1 && strcmp(arguments[1], "child") == 0)
		return 5;
	files();
	for (number = 0; number < 4; number++)
		CHECK(pthread_create(&threads[number], NULL, thread, &values[number]) == 0);
	for (number = 0; number < 4; number++)
		CHECK(pthread_join(threads[number], NULL) == 0 && values[number] == 1);
	processes(arguments[0]);
	waiting();
	sockets();
	CHECK(uname(&names) == 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(getrandom(random, sizeof random, 0) == sizeof random);
	puts("ok");
	return 0;
}
