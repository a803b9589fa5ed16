// Package migration holds the code of docs/migration.md, so that it compiles and does on both sides what is said of it.
// All of it is tests.
package migration
