// Package bot is the door for unit staff. They write to a WeCom robot, a WeCom
// application or a WeChat service account; what they write arrives here as an
// encrypted call, and the answer goes back in the same breath.
//
//	call → ours? fresh? new? → message → who, for which unit → command → answer
//
// bot.go reads in that order. The three platforms differ in their envelopes
// only: robot.go, app.go and service.go hold one each. talk.go does what a
// command asks for, texts.go holds every sentence. What a line means is read by
// package daily, and kept and judged there.
//
// The surprising rule: a platform that got no answer in time sends the message
// again, freshly signed. So an answer is remembered with the message's id, and
// the second copy gets the same words and does nothing. When nothing could be
// done in time nothing is remembered, the person is asked to send it again, and
// that works.
//
// In a group the robot speaks of what a unit said and never of what the
// platform counted: the difference goes to the reporter alone.
//
// What people write, and who they are, is never logged; nor is a call's query,
// because it proves who sent the call. An openid is blinded as soon as it is
// read and lives on only in the answer to its own message.
package bot
