package console

import "limen"

// grounds are what an officer's decision may rest on, in the order shown.
// Those of a refusal are the letters of the standard form (Schengen Borders
// Code, Annex V, Part B).
var grounds = map[limen.Outcome][]string{
	limen.Admit: {"identity_confirmed", "document_confirmed", "technical_fault", "database_cleared", "rules_allow"},
	limen.Refuse: {"refuse_a_no_document", "refuse_b_false_document", "refuse_c_no_visa", "refuse_d_false_visa", "refuse_e_purpose",
		"refuse_f_overstay", "refuse_g_means", "refuse_h_alert", "refuse_i_threat"},
}
