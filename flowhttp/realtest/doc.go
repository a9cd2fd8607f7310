// Package realtest tries package flowhttp with clients, servers and parsers that others wrote. It is a module of
// its own because the library is to depend on none of them.
package realtest
