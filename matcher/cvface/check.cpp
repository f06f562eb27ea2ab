// gocv lets OpenCV's exceptions end the process, so a damaged or foreign model
// is tried here first, where they can be caught.
#include "check.h"

#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/dnn.hpp>

static char *say(const std::string &text) { return strdup(text.c_str()); }

char *limen_check_onnx(const void *data, size_t size, int width, int height,
                       const char *const *outputs, const long *counts, int n) {
	// What OpenCV prints about a bad model is in the exception as well.
	auto level = cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
	char *why = nullptr;
	try {
		cv::dnn::Net net = cv::dnn::readNetFromONNX(static_cast<const char *>(data), size);
		if (net.empty()) {
			throw std::runtime_error("it holds no network");
		}
		cv::Mat blob = cv::dnn::blobFromImage(cv::Mat::zeros(height, width, CV_8UC3));
		net.setInput(blob);
		std::vector<cv::String> names(outputs, outputs + n);
		std::vector<cv::Mat> outs;
		if (n == 1 && names[0].empty()) {
			outs.push_back(net.forward());
			names[0] = "(last)";
		} else {
			net.forward(outs, names);
		}
		for (int i = 0; i < n; i++) {
			if (static_cast<long>(outs[i].total()) != counts[i]) {
				why = say("output " + names[i] + " holds " + std::to_string(outs[i].total()) +
				          " numbers, want " + std::to_string(counts[i]));
				break;
			}
		}
	} catch (const cv::Exception &e) {
		why = say(e.err);
	} catch (const std::exception &e) {
		why = say(e.what());
	}
	cv::utils::logging::setLogLevel(level);
	return why;
}

void limen_set_threads(int n) { cv::setNumThreads(n); }
