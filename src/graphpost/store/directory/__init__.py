"""Who there is: mailboxes, groups and applications, their credentials, rights and grants."""
