// Package realtest tests package flowhttp with clients, servers and parsers that others wrote. It is a module
// of its own so that the library does not depend on them.
package realtest
