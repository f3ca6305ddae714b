package account

import (
	"encoding/base64"
	"encoding/json"
	"slices"
)

// token is where a listing goes on, and which listing it belongs to.
type token struct {
	Listing string `json:"l"`
	After   string `json:"a"`
}

// Page returns at most limit of the keys in their order, from where the token of the page before says, and the token of
// the next page. It is wrong to go on with a token of another listing. A key that came or went meanwhile disturbs
// nothing.
func Page(keys []string, listing, from string, limit int) (page []string, next string, ok bool) {
	slices.Sort(keys)
	if from != "" {
		text, err := base64.URLEncoding.DecodeString(from)
		var t token
		if err != nil || json.Unmarshal(text, &t) != nil || t.Listing != listing {
			return nil, "", false
		}
		i, found := slices.BinarySearch(keys, t.After)
		if found {
			i++
		}
		keys = keys[i:]
	}
	if len(keys) <= limit {
		return keys, "", true
	}
	text, _ := json.Marshal(token{listing, keys[limit-1]}) // strings always marshal
	return keys[:limit], base64.URLEncoding.EncodeToString(text), true
}
