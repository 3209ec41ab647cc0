-- Games of a partner whose zone changes are found also by an owner whose session does not look into this schema.
ALTER FUNCTION change_games_with_their_zone() SET search_path FROM CURRENT;
