// SPDX-License-Identifier: GPL-3.0-or-later
// The debuggee's end of `ringside lab shell`: a TCP server that runs commands for whoever knows the
// lab's key. A process of its own for each connection, so commands run side by side.
//
//   request:  64 hexadecimal digits of the key, '\n', length in decimal, '\n', command
//   reply:    frames of {kind: 1 byte, length: 4 bytes little-endian, data}; kind 'h' the key is
//             right (always the first), 'o' stdout, 'e' stderr, 'x' end (data: exit status, 4
//             bytes; always the last)
//
// When the client goes away the command's process group gets SIGHUP.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kKeyDigits = 64, kMaxCommand = 1 << 20, kPiece = 16384 };

static int read_exactly(int fd, char* data, size_t length) {
    while (length > 0) {
        const ssize_t got = read(fd, data, length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        data += got;
        length -= (size_t)got;
    }
    return 0;
}

static int write_exactly(int fd, const char* data, size_t length) {
    while (length > 0) {
        const ssize_t put = write(fd, data, length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return -1;
        data += put;
        length -= (size_t)put;
    }
    return 0;
}

static int send_frame(int client, char kind, const char* data, uint32_t length) {
    char head[5] = {kind, (char)length, (char)(length >> 8), (char)(length >> 16),
                    (char)(length >> 24)};
    return write_exactly(client, head, sizeof(head)) || write_exactly(client, data, length);
}

// The command after a right key, or NULL. The comparison looks at every digit, so its time tells
// nothing about the key.
static char* receive_command(int client, const char* key) {
    char given[kKeyDigits + 1];
    if (read_exactly(client, given, sizeof(given)) != 0)
        return NULL;
    unsigned different = 0;
    for (int i = 0; i < kKeyDigits; i++)
        different |= (unsigned)(given[i] ^ key[i]);
    if (different != 0 || given[kKeyDigits] != '\n')
        return NULL;
    size_t length = 0;
    for (char digit; read_exactly(client, &digit, 1) == 0;) {
        if (digit == '\n') {
            char* command = malloc(length + 1);
            if (command == NULL || read_exactly(client, command, length) != 0)
                return NULL;
            command[length] = '\0';
            return command;
        }
        if (digit < '0' || digit > '9')
            return NULL;
        length = length * 10 + (size_t)(digit - '0');
        if (length > kMaxCommand)
            return NULL;
    }
    return NULL;
}

static pid_t start_shell(const char* command, int out, int err) {
    const pid_t pid = fork();
    if (pid != 0)
        return pid;
    setpgid(0, 0);
    setpriority(PRIO_PROCESS, 0, 0);
    const int nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, 0);
    dup2(out, 1);
    dup2(err, 2);
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    signal(SIGPIPE, SIG_DFL);
    execl("/bin/sh", "sh", "-c", command, (char*)NULL);
    _exit(127);
}

// Moves what is there from one pipe into a frame. 0: something was moved; 1: end of the pipe, or
// nothing there; -1: the client is gone.
static int forward(int client, int pipe_end, char kind) {
    char piece[kPiece];
    const ssize_t got = read(pipe_end, piece, sizeof(piece));
    if (got <= 0)
        return 1;
    return send_frame(client, kind, piece, (uint32_t)got) == 0 ? 0 : -1;
}

static volatile sig_atomic_t child_ended;
static void on_child(int signal_number) {
    (void)signal_number;
    child_ended = 1;
}

// Forwards output until the shell has ended; what its background jobs write later is not waited
// for. Returns -1 when the client went away first.
static int relay(int client, pid_t pid, int out, int err, int* status) {
    sigset_t blocked, open_mask;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, &open_mask);
    struct sigaction action = {.sa_handler = on_child};
    sigaction(SIGCHLD, &action, NULL);
    struct pollfd watched[] = {{out, POLLIN, 0}, {err, POLLIN, 0}, {client, POLLRDHUP, 0}};
    while (waitpid(pid, status, WNOHANG) != pid) {
        if (ppoll(watched, 3, NULL, &open_mask) < 0)
            continue;
        if (watched[2].revents != 0)
            return -1;
        for (int i = 0; i < 2; i++) {
            if (watched[i].revents == 0)
                continue;
            const int moved = forward(client, watched[i].fd, i == 0 ? 'o' : 'e');
            if (moved < 0)
                return -1;
            if (moved > 0)
                watched[i].fd = -1;
        }
    }
    fcntl(out, F_SETFL, O_NONBLOCK);
    fcntl(err, F_SETFL, O_NONBLOCK);
    while (forward(client, out, 'o') == 0) {
    }
    while (forward(client, err, 'e') == 0) {
    }
    return 0;
}

static void serve(int client, const char* key) {
    char* command = receive_command(client, key);
    if (command == NULL)
        return;
    int out[2], err[2];
    if (send_frame(client, 'h', NULL, 0) != 0)
        return;
    if (pipe(out) != 0 || pipe(err) != 0)
        return;
    const pid_t pid = start_shell(command, out[1], err[1]);
    close(out[1]);
    close(err[1]);
    if (pid < 0)
        return;
    int status = 0;
    if (relay(client, pid, out[0], err[0], &status) != 0) {
        kill(-pid, SIGHUP);
        return;
    }
    const uint32_t code =
        (uint32_t)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    const char data[4] = {(char)code, (char)(code >> 8), 0, 0};
    send_frame(client, 'x', data, sizeof(data));
}

int main(int argc, char** argv) {
    char key[kKeyDigits];
    if (argc != 3) {
        fprintf(stderr, "usage: ringside-lab-shell PORT KEYFILE\n");
        return 2;
    }
    const int key_file = open(argv[2], O_RDONLY);
    if (key_file < 0 || read_exactly(key_file, key, sizeof(key)) != 0) {
        fprintf(stderr, "ringside-lab-shell: no key in %s\n", argv[2]);
        return 1;
    }
    close(key_file);
    setpriority(PRIO_PROCESS, 0, -10);  // answers while the load runs; commands themselves do not
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(argv[1]))};
    const int one = 1;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, (struct sockaddr*)&address, sizeof(address)) != 0 ||
        listen(listener, 64) != 0) {
        perror("ringside-lab-shell");
        return 1;
    }
    for (;;) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        struct pollfd waiting = {listener, POLLIN, 0};
        if (poll(&waiting, 1, 1000) <= 0)
            continue;
        const int client = accept(listener, NULL, NULL);
        if (client < 0)
            continue;
        if (fork() == 0) {
            close(listener);
            serve(client, key);
            _exit(0);
        }
        close(client);
    }
}
