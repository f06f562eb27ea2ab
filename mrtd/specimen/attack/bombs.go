package attack

func (s *scene) bombs() []Attack     { return nil }
func (s *scene) portraits() []Attack { return nil }
