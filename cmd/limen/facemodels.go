package main

import (
	"cmp"

	"limen/device"
)

// faceModels are the models of a configuration file, or the defaults without
// one; recogniser, where given, takes the place of its recogniser.
func faceModels(file, recogniser string) (device.ModelsConfig, error) {
	models := device.Defaults().Models
	if file != "" {
		cfg, err := device.LoadConfig(file)
		if err != nil {
			return models, err
		}
		models = cfg.Models
	}
	models.Recogniser = cmp.Or(recogniser, models.Recogniser)
	return models, nil
}
