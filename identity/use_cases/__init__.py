"""One module per thing a party does here: register, change roles, sign in, go on, sign out."""
