//go:build cgo

package liveview

/*
#cgo pkg-config: vpx
#include <stdlib.h>
#include <vpx/vpx_encoder.h>
#include <vpx/vp8cx.h>

// limen_vp8_open starts an encoder for live pictures: constant bit rate, no
// look-ahead, key frames when asked. On failure it says why and frees all.
static vpx_codec_ctx_t *limen_vp8_open(unsigned w, unsigned h, unsigned kbits, unsigned threads, const char **why) {
	vpx_codec_enc_cfg_t cfg;
	vpx_codec_err_t err = vpx_codec_enc_config_default(vpx_codec_vp8_cx(), &cfg, 0);
	if (err != VPX_CODEC_OK) {
		*why = vpx_codec_err_to_string(err);
		return NULL;
	}
	cfg.g_w = w;
	cfg.g_h = h;
	cfg.g_threads = threads;
	cfg.g_timebase.num = 1;
	cfg.g_timebase.den = 90000;
	cfg.g_lag_in_frames = 0;
	cfg.g_pass = VPX_RC_ONE_PASS;
	cfg.rc_end_usage = VPX_CBR;
	cfg.rc_target_bitrate = kbits;
	cfg.rc_min_quantizer = 4;
	cfg.rc_max_quantizer = 56;
	cfg.rc_undershoot_pct = 95;
	cfg.rc_overshoot_pct = 20;
	cfg.rc_buf_sz = 1000;
	cfg.rc_buf_initial_sz = 500;
	cfg.rc_buf_optimal_sz = 600;
	cfg.rc_dropframe_thresh = 25;
	cfg.kf_mode = VPX_KF_AUTO;
	cfg.kf_max_dist = 300;

	vpx_codec_ctx_t *ctx = calloc(1, sizeof *ctx);
	if (ctx == NULL) {
		*why = "out of memory";
		return NULL;
	}
	err = vpx_codec_enc_init(ctx, vpx_codec_vp8_cx(), &cfg, 0);
	if (err != VPX_CODEC_OK) {
		*why = vpx_codec_err_to_string(err);
		free(ctx);
		return NULL;
	}
	// Speed over compression; a key frame may take three frames' worth of bits.
	vpx_codec_control(ctx, VP8E_SET_CPUUSED, -8);
	vpx_codec_control(ctx, VP8E_SET_STATIC_THRESHOLD, 1);
	vpx_codec_control(ctx, VP8E_SET_MAX_INTRA_BITRATE_PCT, 300);
	return ctx;
}

static void limen_vp8_close(vpx_codec_ctx_t *ctx) {
	vpx_codec_destroy(ctx);
	free(ctx);
}

// limen_vp8_encode builds the picture's description on its own stack, so no
// pointer of the caller outlives the call; libvpx copies the planes.
static vpx_codec_err_t limen_vp8_encode(vpx_codec_ctx_t *ctx, unsigned w, unsigned h,
		unsigned char *y, int ystride, unsigned char *cb, unsigned char *cr, int cstride,
		long long pts, unsigned long duration, int key) {
	vpx_image_t img;
	if (vpx_img_wrap(&img, VPX_IMG_FMT_I420, w, h, 1, y) == NULL) return VPX_CODEC_INVALID_PARAM;
	img.planes[VPX_PLANE_Y] = y;
	img.planes[VPX_PLANE_U] = cb;
	img.planes[VPX_PLANE_V] = cr;
	img.stride[VPX_PLANE_Y] = ystride;
	img.stride[VPX_PLANE_U] = cstride;
	img.stride[VPX_PLANE_V] = cstride;
	return vpx_codec_encode(ctx, &img, pts, duration, key ? VPX_EFLAG_FORCE_KF : 0, VPX_DL_REALTIME);
}

// limen_vp8_frame hands out the next encoded frame, valid until the next encode.
static const void *limen_vp8_frame(vpx_codec_ctx_t *ctx, vpx_codec_iter_t *iter, size_t *size) {
	const vpx_codec_cx_pkt_t *pkt;
	while ((pkt = vpx_codec_get_cx_data(ctx, iter)) != NULL) {
		if (pkt->kind == VPX_CODEC_CX_FRAME_PKT) {
			*size = pkt->data.frame.sz;
			return pkt->data.frame.buf;
		}
	}
	return NULL;
}
*/
import "C"

import (
	"fmt"
	"image"
	"unsafe"
)

// encoder is one libvpx VP8 encoder for pictures of one size. It belongs to
// one goroutine.
type encoder struct {
	ctx           *C.vpx_codec_ctx_t
	width, height int
	lastPTS       int64
}

// newEncoder opens an encoder for I420 pictures; bitRate is in bits a second.
func newEncoder(width, height, bitRate int) (*encoder, error) {
	if err := checkSize(width, height); err != nil {
		return nil, err
	}
	threads := 1
	if width*height >= 1280*720 {
		threads = 2
	}
	var why *C.char
	ctx := C.limen_vp8_open(C.unsigned(width), C.unsigned(height), C.unsigned(max(1, bitRate/1000)), C.unsigned(threads), &why)
	if ctx == nil {
		return nil, fmt.Errorf("cannot open the VP8 encoder for %d×%d pictures: %s", width, height, C.GoString(why))
	}
	return &encoder{ctx: ctx, width: width, height: height, lastPTS: -1}, nil
}

// encode turns a picture into one VP8 frame. pts counts 90 kHz ticks. The
// answer is empty when the encoder dropped the picture to keep its rate.
func (e *encoder) encode(m *image.YCbCr, pts int64, key bool) ([]byte, error) {
	if err := checkPicture(m, e.width, e.height); err != nil {
		return nil, err
	}
	duration := pts - e.lastPTS
	if e.lastPTS < 0 || duration <= 0 || duration > clockRate {
		duration = clockRate / 30
		pts = max(pts, e.lastPTS+1)
	}
	e.lastPTS = pts
	force := C.int(0)
	if key {
		force = 1
	}
	code := C.limen_vp8_encode(e.ctx, C.unsigned(e.width), C.unsigned(e.height),
		(*C.uchar)(&m.Y[0]), C.int(m.YStride), (*C.uchar)(&m.Cb[0]), (*C.uchar)(&m.Cr[0]), C.int(m.CStride),
		C.longlong(pts), C.ulong(duration), force)
	if code != C.VPX_CODEC_OK {
		return nil, fmt.Errorf("cannot encode a picture as VP8: %s", C.GoString(C.vpx_codec_err_to_string(code)))
	}
	var out []byte
	var iter C.vpx_codec_iter_t
	for {
		var size C.size_t
		data := C.limen_vp8_frame(e.ctx, &iter, &size)
		if data == nil {
			return out, nil
		}
		out = append(out, unsafe.Slice((*byte)(data), int(size))...)
	}
}

func (e *encoder) close() { C.limen_vp8_close(e.ctx) }
