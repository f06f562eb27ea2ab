#pragma once
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// limen_check_onnx loads a network from memory and runs it once on a black
// picture of width by height. It returns NULL when the outputs named exist and
// hold the counts given, else why not, to be freed by the caller.
char *limen_check_onnx(const void *data, size_t size, int width, int height,
                       const char *const *outputs, const long *counts, int n);

// limen_set_threads bounds the threads OpenCV uses, for the whole process.
void limen_set_threads(int n);

#ifdef __cplusplus
}
#endif
