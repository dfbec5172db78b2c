"""What a mailbox keeps beside its mail: settings, categories, overrides, rules."""
