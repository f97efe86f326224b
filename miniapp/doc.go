// Package miniapp is the door for residents and venue staff: the API of the
// WeChat and Alipay mini-programs and the page behind every printed code.
//
// A phone exchanges its platform's login code for a sealed session, registers
// once with consent, and then scans. The openid never leaves the server, and a
// session is checked without asking the store.
//
// Here units also apply for codes, with a session or on the public page: there the
// random id of an application is the right to see what became of it, and to show
// that its codes hang.
package miniapp
