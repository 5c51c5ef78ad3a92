"""One module per thing a party does; each loads, decides by the rules, saves and commits once."""
