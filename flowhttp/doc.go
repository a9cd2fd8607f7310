// Package flowhttp puts a scheduler into HTTP.
//
// # Clients
//
// A [Transport] takes a permit for every request:
//
//	client := &http.Client{Transport: flowhttp.NewTransport(s)}
//
// Requests then wait for their turn. A deadline that cannot be met fails at once. The permit is released when
// the body of the response ends. All callers of the scheduler obey what an API says of its limits: Retry-After
// pauses it, and remaining counts go to its windows. A [Dialect] reads the headers of an API: [Standard], which
// is the default, [GitHub], [OpenAI], [Anthropic], [AWS] or a function of your own.
//
// A Transport takes a permit for each attempt, so put it below a client that retries, not above:
//
//	retrying.HTTPClient.Transport = flowhttp.NewTransport(s)
//
// If an API limits tokens besides calls, Transport.Cost estimates what a request costs. Call [Settle] to
// correct that afterwards, and close every body. If a library reads and closes the bodies, set Transport.Usage
// instead, which reads the cost from the response.
//
// The guide docs/http.md has a table of what each status and header does.
package flowhttp
