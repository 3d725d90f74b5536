// What a machine does to a bare exchange: requests of 590 bytes and answers of 270 over many connections of loopback, at a rate, by
// programs that only read and write. No HTTP, no JSON, no check, no ledger.
// Latency runs from the moment at which a request was due.
//
//   floor HOW SERVERS CLIENTS CONNECTIONS REQUESTS/S SECONDS
//
// HOW says who is woken when. each: for each request when it is due and for each message when it comes. steps: clients send once a
// millisecond what is due by then, as agents do, and read what comes when it comes. turns: both ends wake once a millisecond, servers
// in the middle of it, and never for a message: fewer wake-ups than any program that keeps such steps.
// SERVERS and CLIENTS are processes, each of which may have 20,000 descriptors. Prints a line: P50, P95 and P99 in us, requests/s
// answered, us of CPU a request (of all these processes), and how many requests found their connection busy and were left out.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST = 590, ANSWER = 270, EVENTS = 1024, BUFFER = 1 << 16, LATENCIES = 1 << 20, A_SOURCE = 2000, LISTENED = 4096, STEP_NS = 1000000 };

// What the processes have in common.
struct shared {
  long connected, start_ns, answered, left_out;
  long latencies[LATENCIES]; // By us.
};

static char bytes[BUFFER];
static const int one = 1;
static enum { EACH, STEPS, TURNS } how;

static long now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000L + now.tv_nsec;
}

// The first end of a step at or after this; steps of all processes end together.
static long step_end(long at_ns) { return (at_ns + STEP_NS - 1) / STEP_NS * STEP_NS; }

static void sleep_until(long at_ns) {
  struct timespec until = {.tv_sec = at_ns / 1000000000L, .tv_nsec = at_ns % 1000000000L};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static void add(long *to, long more) { __atomic_fetch_add(to, more, __ATOMIC_RELAXED); }

static void watch(int poll, int socket, unsigned number) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = number};
  if (setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) || epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event))
    err(1, "epoll");
}

static void serve(int listener) {
  int poll = epoll_create1(0);
  struct epoll_event events[EVENTS], listens = {.events = EPOLLIN, .data.u32 = listener};
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &listens);
  for (;;) {
    int count = epoll_wait(poll, events, EVENTS, -1);
    for (int at = 0; at < count; at++) {
      int socket = events[at].data.u32;
      if (socket == listener) {
        for (int accepted; (accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) watch(poll, accepted, accepted);
      } else if (read(socket, bytes, BUFFER) > 0) {
        if (write(socket, bytes, ANSWER) != ANSWER) warn("write");
      }
    }
    if (how == TURNS && count < EVENTS) sleep_until(step_end(now_ns() + STEP_NS / 2) - STEP_NS / 2);
  }
}

static int connect_to(struct sockaddr_in server, int client, int number) {
  struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f010000 + client * 16 + number / A_SOURCE + 1)};
  int connection = socket(AF_INET, SOCK_STREAM, 0);
  if (connection < 0 || setsockopt(connection, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) ||
      bind(connection, (struct sockaddr *)&source, sizeof source) || connect(connection, (struct sockaddr *)&server, sizeof server))
    err(1, "connection %d of client %d", number, client);
  return connection;
}

static void load(struct shared *shared, struct sockaddr_in *servers, int server_count, int client, int count, long gap_ns, long length_ns) {
  int poll = epoll_create1(0), *connections = calloc(count, sizeof(int)), at = 0;
  long *due = calloc(count, sizeof(long)); // 0: nothing is asked.
  struct epoll_event events[EVENTS];
  for (int number = 0; number < count; number++) {
    connections[number] = connect_to(servers[number % server_count], client, number);
    watch(poll, connections[number], number);
  }
  add(&shared->connected, count);
  while (!__atomic_load_n(&shared->start_ns, __ATOMIC_ACQUIRE)) usleep(1000);
  for (long next = shared->start_ns + gap_ns * client / 16, end = shared->start_ns + length_ns; next < end;) {
    for (; next <= now_ns(); next += gap_ns, at = (at + 7919) % count) {
      if (due[at]) {
        add(&shared->left_out, 1);
        continue;
      }
      due[at] = next;
      if (write(connections[at], bytes, REQUEST) != REQUEST) warn("write");
    }
    long until_ns = how == EACH ? next : step_end(next);
    if (how == TURNS) sleep_until(until_ns);
    long wait_ns = until_ns - now_ns();
    struct timespec wait = {.tv_nsec = wait_ns > 0 ? wait_ns : 0};
    int found = epoll_pwait2(poll, events, EVENTS, &wait, NULL);
    for (int event = 0; event < found; event++) {
      int number = events[event].data.u32;
      if (read(connections[number], bytes, BUFFER) <= 0 || !due[number]) continue;
      long us = (now_ns() - due[number]) / 1000;
      add(&shared->latencies[us < LATENCIES ? us : LATENCIES - 1], 1);
      add(&shared->answered, 1);
      due[number] = 0;
    }
  }
}

// CPU time of the processes: the kernel's ticks would not see what is done in step with them.
static long cpu_ns(const pid_t *processes, int count) {
  long all = 0;
  for (int at = 0; at < count; at++) {
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(processes[at], &clock) || clock_gettime(clock, &used)) errx(1, "a process has ended too early");
    all += used.tv_sec * 1000000000L + used.tv_nsec;
  }
  return all;
}

static long quantile(const struct shared *shared, double share) {
  long all = 0, seen = 0, us = 0;
  for (long at = 0; at < LATENCIES; at++) all += shared->latencies[at];
  while (us < LATENCIES - 1 && (seen += shared->latencies[us]) < share * all) us++;
  return us;
}

int main(int count, char **given) {
  if (count != 7) errx(2, "floor each|steps|turns SERVERS CLIENTS CONNECTIONS REQUESTS/S SECONDS");
  how = !strcmp(given[1], "each") ? EACH : !strcmp(given[1], "steps") ? STEPS : TURNS;
  given++;
  int servers = atoi(given[1]), clients = atoi(given[2]), connections = atoi(given[3]), seconds = atoi(given[5]);
  long rate = atol(given[4]);
  struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  struct sockaddr_in *addresses = calloc(servers, sizeof *addresses);
  pid_t *children = calloc(servers + clients, sizeof *children);
  for (int server = 0; server < servers; server++) {
    socklen_t size = sizeof *addresses;
    addresses[server] = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&addresses[server], size) || listen(listener, LISTENED) ||
        getsockname(listener, (struct sockaddr *)&addresses[server], &size))
      err(1, "listen");
    if (!(children[server] = fork())) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      serve(listener);
    }
    close(listener);
  }
  for (int client = 0; client < clients; client++)
    if (!(children[servers + client] = fork())) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      load(shared, addresses, servers, client, connections / clients, 1000000000L * clients / rate, seconds * 1000000000L);
      exit(0);
    }
  while (__atomic_load_n(&shared->connected, __ATOMIC_RELAXED) < connections / clients * clients) {
    if (waitpid(-1, NULL, WNOHANG) > 0) errx(1, "a process has ended too early");
    usleep(10000);
  }
  __atomic_store_n(&shared->start_ns, now_ns(), __ATOMIC_RELEASE);
  // Without the first second and the last.
  sleep(1);
  long used_ns = cpu_ns(children, servers + clients), answered = shared->answered, began_ns = now_ns();
  sleep(seconds - 2);
  used_ns = cpu_ns(children, servers + clients) - used_ns, answered = shared->answered - answered;
  double took_s = (now_ns() - began_ns) / 1e9;
  for (int client = 0; client < clients; client++) waitpid(children[servers + client], NULL, 0);
  for (int server = 0; server < servers; server++) kill(children[server], SIGKILL);
  printf("%ld %ld %ld %.0f %.1f %ld\n", quantile(shared, 0.5), quantile(shared, 0.95), quantile(shared, 0.99), answered / took_s,
         used_ns / 1e3 / answered, shared->left_out);
}
