package routers

import (
	"io"
	"log"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/labstack/echo/v5"
	echomiddleware "github.com/labstack/echo/v5/middleware"
)

// A front is a site with one route, /rooms/ROOM, which asks for a session and upgrades; and with middleware around it that sets a
// field, logs, recovers, and compresses where the router has that. Refusals are the router's.
type front struct {
	name    string
	handler func(upgrade upgrader) http.Handler
}

// upgrader is what a handler calls in the end, with what it knows.
type upgrader func(w http.ResponseWriter, r *http.Request, user, room string) error

var fronts = []front{
	{"net/http", ofHTTP},
	{"chi", ofChi},
	{"gin", ofGin},
	{"echo", ofEcho},
}

const (
	fieldName  = "X-Front"
	cookieName = "session"
)

// userOf is who has a session.
func userOf(r *http.Request) (user string, ok bool) {
	cookie, err := r.Cookie(cookieName)
	if err != nil || cookie.Value != "s3cret" {
		return "", false
	}
	return "ada", true
}

// session is the auth middleware of those who take that of net/http.
func session(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(fieldName, "front")
		if _, ok := userOf(r); !ok {
			http.Error(w, "log in first", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func ofHTTP(upgrade upgrader) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /rooms/{room}", func(w http.ResponseWriter, r *http.Request) {
		user, _ := userOf(r)
		_ = upgrade(w, r, user, r.PathValue("room"))
	})
	return http.MaxBytesHandler(session(mux), 1<<20)
}

func ofChi(upgrade upgrader) http.Handler {
	r := chi.NewRouter()
	r.Use(
		chimiddleware.RequestID,
		chimiddleware.RequestLogger(&chimiddleware.DefaultLogFormatter{Logger: log.New(io.Discard, "", 0)}),
		chimiddleware.Recoverer,
		chimiddleware.Compress(5),
		chimiddleware.Timeout(time.Minute),
		session,
	)
	r.Route("/rooms", func(r chi.Router) {
		r.Get("/{room}", func(w http.ResponseWriter, r *http.Request) {
			user, _ := userOf(r)
			_ = upgrade(w, r, user, chi.URLParam(r, "room"))
		})
	})
	return r
}

func ofGin(upgrade upgrader) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.Use(gin.LoggerWithWriter(io.Discard), gin.RecoveryWithWriter(io.Discard), func(c *gin.Context) {
		c.Header(fieldName, "front")
		user, ok := userOf(c.Request)
		if !ok {
			c.AbortWithStatusJSON(http.StatusUnauthorized, gin.H{"error": "log in first"})
			return
		}
		c.Set("user", user)
	})
	engine.Group("/rooms").GET("/:room", func(c *gin.Context) {
		// gin uses its Context again: what is to stay is copied out of it.
		_ = upgrade(c.Writer, c.Request, c.GetString("user"), c.Param("room"))
	})
	return engine
}

func ofEcho(upgrade upgrader) http.Handler {
	e := echo.New()
	e.Use(
		echomiddleware.RequestID(), echomiddleware.Recover(), echomiddleware.Secure(), echomiddleware.Gzip(),
		func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c *echo.Context) error {
				c.Response().Header().Set(fieldName, "front")
				user, ok := userOf(c.Request())
				if !ok {
					return echo.NewHTTPError(http.StatusUnauthorized, "log in first")
				}
				c.Set("user", user)
				return next(c)
			}
		},
	)
	e.Group("/rooms").GET("/:room", func(c *echo.Context) error {
		_ = upgrade(c.Response(), c.Request(), c.Get("user").(string), c.Param("room"))
		return nil // Upgrade has answered: an error would be answered again
	})
	return e
}
