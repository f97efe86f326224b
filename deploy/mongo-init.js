// Makes the replica set and its two users. Run on mongo-1's own loopback, where
// MongoDB lets the first user be made. Safe to run again; a new password in the
// secret "mongo" is set.
const fs = require('fs');
const secret = (name) => fs.readFileSync(`/run/secrets/${name}`, 'utf8').trim();
const admin = db.getSiblingDB('admin');

// The application's user and password are those of its own URI.
const [, user, password] = secret('mongo').match(/^mongodb:\/\/([^:@/]+):([^@/]+)@/);

// done tells whether a step was done by this run rather than by an earlier one.
function done(step, ...earlier) {
  try {
    step();
    return true;
  } catch (e) {
    if (earlier.includes(e.codeName)) return false;
    throw new Error(e.codeName || 'failed'); // the message may quote a password
  }
}

done(() => rs.initiate({
  _id: 'venuecode',
  members: [
    { _id: 0, host: 'mongo-1:27017', priority: 2 }, // so that users are made here
    { _id: 1, host: 'mongo-2:27017' },
    { _id: 2, host: 'mongo-3:27017' },
  ],
}), 'AlreadyInitialized', 'Unauthorized');
while (!db.hello().isWritablePrimary) sleep(500);

// Unauthorized: there are users already.
done(() => admin.createUser({
  user: 'admin', pwd: secret('mongo-admin'), roles: ['userAdminAnyDatabase', 'clusterAdmin'],
}), 'Unauthorized');
admin.auth('admin', secret('mongo-admin'));

// dbAdmin, because `venuecode sunset` drops the database.
const city = db.getSiblingDB('venuecode');
const account = { pwd: decodeURIComponent(password), roles: ['readWrite', 'dbAdmin'] };
const name = decodeURIComponent(user);
done(() => (city.getUser(name) ? city.updateUser(name, account) : city.createUser({ user: name, ...account })));
