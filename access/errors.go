package access

import (
	"errors"
	"fmt"
)

var (
	// ErrLogin is all that a failed login, or a failed proof of oneself later,
	// ever says.
	ErrLogin = errors.New("user, password or code is not right, or the account is locked")
	// ErrSession: the token opens nothing, or no longer.
	ErrSession = errors.New("no such session")
	// ErrForbidden: a rule stands against it. Always reached through a
	// *Forbidden that names the rule.
	ErrForbidden = errors.New("forbidden")
	// ErrQuota: the day's allowance of revealed identities is used up.
	ErrQuota = errors.New("the day's quota is used up")
)

// Rule is a stable word for a rule that can stand against an act; each surface
// owns the sentence that people see.
type Rule string

// The rules.
const (
	RulePermission Rule = "permission"   // the role does not allow it
	RuleSelf       Rule = "self"         // nobody changes their own account
	RuleGrant      Rule = "grant"        // nobody gives what they may not give
	RuleFourEyes   Rule = "four_eyes"    // who asks is not who approves
	RulePairs      Rule = "pairs"        // one account, two roles that check each other
	RuleOneView    Rule = "one_view"     // one account, two ways of seeing the city
	RuleTwoHolders Rule = "two_holders"  // a role that checks another keeps two holders
	RuleFactors    Rule = "both_factors" // one person would know password and code of a sensitive account
	RuleRequester  Rule = "requester"    // who asked, or approved, may no longer
	RuleMachine    Rule = "machine"      // machines sign their requests and have no password
)

// text is the rule as quoted in errors and the audit.
var text = map[Rule]string{
	RulePermission: "the account's roles do not allow this",
	RuleSelf:       "nobody changes, or decides about, their own account",
	RuleGrant:      "nobody gives or takes a role that theirs may not give",
	RuleFourEyes:   "who asks and who approves are different people",
	RulePairs:      "roles that check each other are never held by one account",
	RuleOneView:    "the roles of one account all see the city in the same way",
	RuleTwoHolders: "of a role that takes part in a check at least two holders stay",
	RuleFactors:    "nobody hands out both the password and the code of a sensitive account",
	RuleRequester:  "who asked for this, or approved it, may no longer do so",
	RuleMachine:    "the province is a machine: it signs its requests and has no account",
}

// Text quotes the rule.
func (r Rule) Text() string { return text[r] }

// Forbidden quotes the rule that stands against an act.
type Forbidden struct{ Rule Rule }

func (e *Forbidden) Error() string { return fmt.Sprintf("forbidden (%s): %s", e.Rule, e.Rule.Text()) }

func (e *Forbidden) Unwrap() error { return ErrForbidden }
