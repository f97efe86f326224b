package mongo

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/venuecode/venuecode/venue"
)

var errClosed = fmt.Errorf("the store is closed: %w", venue.ErrUnavailable)

// Codes of the server that something is decided by.
const (
	codeDuplicate   = 11000
	codeDuplicate2  = 11001
	codeNoNamespace = 26
	codePlanKilled  = 175
)

// told is an error of the driver in our words. The driver's own may quote the
// address with its password, and values of documents. Whatever went wrong, the
// memory could not be had, and nobody knows whether a write was done.
func told(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); errors.Is(cause, context.Canceled) {
		return cause
	} else if cause != nil {
		return fmt.Errorf("the store did not answer in time: %w (%w)", venue.ErrUnavailable, cause)
	}
	server := driver.ServerError(nil)
	switch {
	case errors.Is(err, driver.ErrClientDisconnected):
		return errClosed
	case driver.IsTimeout(err):
		return fmt.Errorf("the store did not answer in time: %w", venue.ErrUnavailable)
	case driver.IsNetworkError(err):
		return fmt.Errorf("the connection to the store broke: %w", venue.ErrUnavailable)
	case errors.As(err, &server):
		return fmt.Errorf("the store answered with code %v: %w", server.ErrorCodes(), venue.ErrUnavailable)
	}
	return fmt.Errorf("the store failed with %T: %w", err, venue.ErrUnavailable)
}

// duplicates are the indexes of a bulk's writes that met a row under their id.
// ok if nothing else went wrong: a bulk that met duplicates may have met other
// faults too, and what a majority does not have may be lost.
func duplicates(err error) (at []int, ok bool) {
	var bulk driver.BulkWriteException
	if !errors.As(err, &bulk) || bulk.WriteConcernError != nil {
		return nil, false
	}
	for _, w := range bulk.WriteErrors {
		if w.Code != codeDuplicate && w.Code != codeDuplicate2 {
			return nil, false
		}
		at = append(at, w.Index)
	}
	return at, len(at) > 0
}

// duplicateOf are the fields whose values are taken; none if the server did not
// say which. ok if that is all that went wrong.
func duplicateOf(err error) (fields []string, ok bool) {
	var one driver.WriteException
	if !errors.As(err, &one) || one.WriteConcernError != nil || len(one.WriteErrors) != 1 ||
		!one.HasErrorCode(codeDuplicate) && !one.HasErrorCode(codeDuplicate2) {
		return nil, false
	}
	pattern, _ := one.WriteErrors[0].Raw.Lookup("keyPattern").DocumentOK()
	elements, _ := bson.Raw(pattern).Elements()
	for _, e := range elements {
		fields = append(fields, e.Key())
	}
	return fields, true
}

// vanished tells whether a collection was dropped under its reader.
func vanished(err error) bool {
	server := driver.ServerError(nil)
	return errors.As(err, &server) && (server.HasErrorCode(codeNoNamespace) || server.HasErrorCode(codePlanKilled))
}
