//go:build exposed

package micro

import (
	coder "github.com/coder/websocket"
	fasthttp "github.com/fasthttp/websocket"
	gorilla "github.com/gorilla/websocket"
	nbio "github.com/lesismal/nbio/nbhttp/websocket"
	"github.com/lxzan/gws"
)

func init() {
	maskers = append(
		maskers,
		masker{"coder", coder.ExposedMask},
		masker{"fasthttp", fasthttp.ExposedMask},
		masker{"gorilla", gorilla.ExposedMask},
		masker{"gws", gws.ExposedMask},
		masker{"nbio", nbio.ExposedMask},
	)
}
