// Package plan turns what a host's records are and what they should be into change batches for Route 53. It is pure: it
// knows neither how the records came to be known nor how a batch is sent.
package plan
