module github.com/wsloop/wsloop/contrib/redis

go 1.26.0

require (
	github.com/redis/rueidis v1.0.79
	github.com/wsloop/wsloop v0.0.0
)

require (
	github.com/klauspost/compress v1.20.3 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/wsloop/wsloop => ../..
