// Package routers calls Server.Upgrade inside the routers that people use, with their middleware around it. It is a module of
// its own, so that nobody else downloads them. All of it is tests.
package routers
