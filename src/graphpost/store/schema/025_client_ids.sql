-- A client id is one in any letter case, and is kept in lower case (of other issuers it was not).
UPDATE subscriptions SET client_id = lower(client_id);
