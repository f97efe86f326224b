package main

import (
	"context"
	"strconv"

	"github.com/venuecode/venuecode/store"
	"github.com/venuecode/venuecode/vault"
	"github.com/venuecode/venuecode/vault/audit"
)

// personRetention lets go of people.
func (a *app) personRetention(ended *store.Revocations) *vault.PersonRetention {
	return &vault.PersonRetention{
		History: vault.History{People: a.people, Scans: a.engine}, Sessions: ended, Record: a.recordPersons,
		VisitDays: a.config.Retention.VisitsDays, VaultDays: a.config.Retention.VaultDays,
	}
}

// recordPersons says how many people's records are about to be destroyed.
func (a *app) recordPersons(ctx context.Context, persons int) error {
	_, err := a.trail.Append(ctx, audit.Event{
		Actor: audit.ActorSystem, Action: "persons.destroy", Details: map[string]string{"persons": strconv.Itoa(persons)},
	})
	return err
}
