//go:build cgo

// Package jp2 decodes JPEG 2000 codestreams with libopenjp2. It is a thin leaf:
// the caller has already held size, tiles and components to bounds, and runs
// it in a process that may be lost.
package jp2

/*
#cgo pkg-config: libopenjp2
#include <stdlib.h>
#include <string.h>
#include <openjpeg.h>

typedef struct { const OPJ_BYTE *data; OPJ_SIZE_T size, at; } source;

static OPJ_SIZE_T source_read(void *buf, OPJ_SIZE_T n, void *user) {
	source *s = user;
	OPJ_SIZE_T left = s->size - s->at;
	if (left == 0) return (OPJ_SIZE_T)-1;
	if (n > left) n = left;
	memcpy(buf, s->data + s->at, n);
	s->at += n;
	return n;
}

static OPJ_OFF_T source_skip(OPJ_OFF_T n, void *user) {
	source *s = user;
	if (n < 0) return -1;
	OPJ_SIZE_T left = s->size - s->at;
	if ((OPJ_SIZE_T)n > left) n = (OPJ_OFF_T)left;
	s->at += (OPJ_SIZE_T)n;
	return n;
}

static OPJ_BOOL source_seek(OPJ_OFF_T to, void *user) {
	source *s = user;
	if (to < 0 || (OPJ_SIZE_T)to > s->size) return OPJ_FALSE;
	s->at = (OPJ_SIZE_T)to;
	return OPJ_TRUE;
}

// limen_j2k_decode returns the decoded picture or NULL. Its message handlers
// stay unset: the library is silent without them.
static opj_image_t *limen_j2k_decode(const void *data, size_t size) {
	source src = { data, size, 0 };
	opj_image_t *image = NULL;
	opj_dparameters_t params;
	opj_set_default_decoder_parameters(&params);
	opj_codec_t *codec = opj_create_decompress(OPJ_CODEC_J2K);
	opj_stream_t *stream = opj_stream_create(64 << 10, OPJ_TRUE);
	int ok = codec && stream && opj_setup_decoder(codec, &params);
	if (ok) {
		opj_stream_set_user_data(stream, &src, NULL);
		opj_stream_set_user_data_length(stream, size);
		opj_stream_set_read_function(stream, source_read);
		opj_stream_set_skip_function(stream, source_skip);
		opj_stream_set_seek_function(stream, source_seek);
		ok = opj_read_header(stream, codec, &image)
			&& opj_decode(codec, stream, image)
			&& opj_end_decompress(codec, stream);
	}
	if (stream) opj_stream_destroy(stream);
	if (codec) opj_destroy_codec(codec);
	if (!ok && image) { opj_image_destroy(image); image = NULL; }
	return image;
}

static opj_image_comp_t *limen_j2k_comp(opj_image_t *image, OPJ_UINT32 i) { return &image->comps[i]; }
*/
import "C"

import (
	"errors"
	"unsafe"
)

// Component is one decoded plane, its samples as the codestream holds them.
type Component struct {
	Width, Height int
	DX, DY        int // sampling relative to the picture's grid
	Depth         int // bits per sample
	Signed        bool
	Samples       []int32
}

// ErrMalformed says that the library would not decode the codestream.
var ErrMalformed = errors.New("jp2: the codestream does not decode")

// Decode decodes one codestream (ISO/IEC 15444-1 Annex A) to its components.
func Decode(codestream []byte) ([]Component, error) {
	if len(codestream) == 0 {
		return nil, ErrMalformed
	}
	image := C.limen_j2k_decode(unsafe.Pointer(&codestream[0]), C.size_t(len(codestream)))
	if image == nil {
		return nil, ErrMalformed
	}
	defer C.opj_image_destroy(image)
	var comps []Component
	for i := range uint32(image.numcomps) {
		c := C.limen_j2k_comp(image, C.OPJ_UINT32(i))
		if c.data == nil || c.w == 0 || c.h == 0 {
			return nil, ErrMalformed
		}
		samples := unsafe.Slice((*int32)(unsafe.Pointer(c.data)), int(c.w)*int(c.h))
		comps = append(comps, Component{
			Width: int(c.w), Height: int(c.h), DX: int(c.dx), DY: int(c.dy),
			Depth: int(c.prec), Signed: c.sgnd != 0,
			Samples: append([]int32(nil), samples...),
		})
	}
	return comps, nil
}
