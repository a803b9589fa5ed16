// Package deflate runs permessage-deflate (RFC 7692) between the engine and implementations that others wrote, in both
// roles and with every combination of parameters that their interfaces have. Its tests decide what to run and judge what
// went over the wire; the peers, in Go here and elsewhere behind a line of JSON, talk and check their echoes.
// ../matrix.json lists the combinations under "deflate".
package deflate
