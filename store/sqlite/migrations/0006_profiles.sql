ALTER TABLE principals ADD COLUMN profile TEXT NOT NULL DEFAULT '';  -- empty: that of the role
