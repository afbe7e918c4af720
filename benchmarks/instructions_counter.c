/* A plugin for qemu-user (its interface of version 1, QEMU 4.2 to 8.2): counts the guest's instructions.

   Each time that the guest asks for its own priority (getpriority, which nothing else of it calls), a line with the
   instructions so far and the threads so far is written to the file that is named by out=FILE. Blocks of code are
   counted as wholes when they are entered; a system call ends its block, so a mark is exact. The counter is one for all
   threads and is not locked: the threads are told so that a guest with more than one can be refused.

   Loaded before the C library (LD_PRELOAD) it also answers for the kernel's random numbers: pydantic's hash tables are
   keyed by them, and where those tables lie decides what else is counted. AFFECT_EDGE_SEED chooses the numbers.

   The declarations are those of qemu-plugin.h, which Debian does not ship. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define EXPORTED __attribute__((visibility("default")))
#define GETPRIORITY 141 /* on aarch64 */
#define ADD_U64 0

typedef uint64_t plugin_id;
struct qemu_plugin_tb;

extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
extern void qemu_plugin_register_vcpu_init_cb(plugin_id id, void (*call)(plugin_id, unsigned int));
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*call)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int operation, void *at, uint64_t by);
extern void qemu_plugin_register_vcpu_syscall_cb(plugin_id id, void (*call)(plugin_id, unsigned int, int64_t, uint64_t,
    uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));

EXPORTED int qemu_plugin_version = 1;

static long random_bytes(unsigned char *to, size_t count)
{
    static uint64_t state;
    if (!state) {
        const char *seed = getenv("AFFECT_EDGE_SEED");
        state = 0x9E3779B97F4A7C15u ^ strtoull(seed ? seed : "0", NULL, 10);
    }
    for (size_t at = 0; at < count; at++) {
        /* xorshift64 */
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        to[at] = (unsigned char)(state >> 32);
    }
    return (long)count;
}

/* QEMU hands the guest's getrandom to the kernel through the C library's syscall(). */
EXPORTED long syscall(long number, ...)
{
    static long (*kernel)(long, ...);
    long given[6];
    va_list list;
    va_start(list, number);
    for (int index = 0; index < 6; index++)
        given[index] = va_arg(list, long);
    va_end(list);
    if (number == SYS_getrandom)
        return random_bytes((unsigned char *)given[0], (size_t)given[1]);
    if (!kernel)
        kernel = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    return kernel(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}

static uint64_t instructions, threads;
static FILE *out;

static void thread_begins(plugin_id id, unsigned int index)
{
    (void)id, (void)index;
    threads++;
}

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &instructions, qemu_plugin_tb_n_insns(block));
}

static void system_call(plugin_id id, unsigned int index, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
    uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)index, (void)a1, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number == GETPRIORITY) {
        fprintf(out, "%" PRIu64 " %" PRIu64 "\n", instructions, threads);
        fflush(out);
    }
}

EXPORTED int qemu_plugin_install(plugin_id id, const void *about, int count, char **arguments)
{
    (void)about;
    for (int index = 0; index < count; index++)
        if (!strncmp(arguments[index], "out=", 4))
            out = fopen(arguments[index] + 4, "w");
    if (!out)
        return 1;
    qemu_plugin_register_vcpu_init_cb(id, thread_begins);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, system_call);
    return 0;
}
