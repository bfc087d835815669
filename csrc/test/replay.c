/* Replays files through a fuzz target without libFuzzer: the corpora run in the ordinary tests with any compiler.
 * usage: TARGET FILE... */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    /* exactly as large as the content, so that a read past the end is seen */
    size_t size = 0, capacity = 4096;
    uint8_t *data = malloc(capacity);
    while (data) {
        size_t got = fread(data + size, 1, capacity - size, file);
        size += got;
        if (size < capacity) break;
        capacity *= 2;
        uint8_t *more = realloc(data, capacity);
        if (!more) free(data);
        data = more;
    }
    fclose(file);
    uint8_t *exact = data ? malloc(size ? size : 1) : NULL;
    if (!exact) {
        free(data);
        fprintf(stderr, "%s: out of memory\n", path);
        return 1;
    }
    for (size_t i = 0; i < size; i++)
        exact[i] = data[i];
    free(data);
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 0;
}

int main(int argc, char **argv)
{
    int status = 0;
    for (int i = 1; i < argc; i++)
        status |= replay(argv[i]);
    return status;
}
