package local

// Scope is how much of the Engine a query covers. Each scope includes those before it.
type Scope int

// The scopes.
const (
	Nothing    Scope = iota
	Named            // the containers that hints named are inspected, and those whose last inspection failed
	Listed           // all containers are listed; those that are new or look different are inspected, too
	Everything       // all containers are listed and inspected, since events may have been missed
)
