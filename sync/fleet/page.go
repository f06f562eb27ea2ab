package fleet

import "net/http"

func (c *Centre) pages() http.Handler { return http.NotFoundHandler() }
