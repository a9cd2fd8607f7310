// Package flowhttp puts a scheduler into HTTP.
//
// # Clients
//
// A [Transport] takes a permit for every request:
//
//	client := &http.Client{Transport: flowhttp.NewTransport(s)}
//
// Requests then wait for their turn, a deadline that cannot be met fails at once, and the permit is given
// back when the body ends. What an API says of its limits holds back all callers of the scheduler:
// Retry-After pauses it, and remaining counts go to its windows. How an API says it is a [Dialect]:
// [Standard] unless told, [GitHub], [OpenAI], [Anthropic], [AWS] or a function of your own.
//
// A Transport takes a permit for each attempt, so put it below a client that retries, not above:
//
//	retrying.HTTPClient.Transport = flowhttp.NewTransport(s)
//
// For an API that limits tokens besides calls, Transport.Cost says what a request may cost. What it did cost is said by
// [Settle], for which every body must be closed, or found in the answer by Transport.Settle.
//
// The guide docs/http.md has a table of what each status and header does.
package flowhttp
