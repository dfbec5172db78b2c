"""Who there is: mailboxes, applications, their rights and grants."""
