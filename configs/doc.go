// Package configs turns a configuration file into a Config that can be trusted,
// or into the list of everything that is wrong with it.
//
//	default.yaml ← the file ← VENUECODE_… variables → decode → validate
//
// default.yaml is embedded, and is the one place where every option is
// explained. Values travel as the text that was written, so that an AppID of
// digits stays itself; types and ranges are the tags of Config.
//
// No fault ever quotes a value: it says where the value stands, and that place
// may hold a secret by mistake.
package configs
