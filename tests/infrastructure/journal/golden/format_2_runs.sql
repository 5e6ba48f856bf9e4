BEGIN TRANSACTION;
CREATE TABLE commits (
    first_position INTEGER PRIMARY KEY,
    last_position INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    keys TEXT NOT NULL,
    transactions TEXT NOT NULL,
    body TEXT NOT NULL,
    digest BLOB NOT NULL,
    details TEXT
) STRICT;
INSERT INTO "commits" VALUES(1,1,1767225660000000,'[]','[1]','[["TokenRegistered","PLN",0,340282366920938463463374607431768211455,100,"external",null,[],null,[]]]',X'DCD85FFFAD7D21533E5E6BFF3C0E82B2DD03F7B1E112820B0BE4F5022BC2F691',NULL);
INSERT INTO "commits" VALUES(2,3,1767225720000000,'[]','[2]','[["Minted","PLN","alice",100000,""],["RunsMintedMany","PLN","alice",3000,[100],[1000]]]',X'A4CDB6813BA7CB80A0929D03BF02503F7191F1BAF88EA67E205675B405452863','[]');
INSERT INTO "commits" VALUES(4,7,1767225780000000,'[]','[4]','[["Reserved","PLN","alice","court",40050,"ed632fd89614461ea06cfc61808c22fe",null,""],["FragmentsBurned","PLN",[3400]],["FragmentsMinted","PLN","alice",6000,[50,50]],["RunsReservedMany","PLN","ed632fd89614461ea06cfc61808c22fe",[3000,6000],[400,1]]]',X'E2BBB88BC5A15F9B48FE2CE4D4158973A97126076D2226D474CF0D75BF46BE9A','[]');
INSERT INTO "commits" VALUES(8,9,1767225840000000,'[]','[2]','[["Released","PLN","court","alice",9950,"ed632fd89614461ea06cfc61808c22fe",false,""],["RunsReleasedMany","PLN","ed632fd89614461ea06cfc61808c22fe",[6000,3000],[1,99]]]',X'6D2D0C9CE7A66DD3A10CD303F66D724628EB44CA715B2C784BD76250CEFB523B','[]');
INSERT INTO "commits" VALUES(10,14,1767225900000000,'[]','[5]','[["Settled","PLN","court","bob",20030,"ed632fd89614461ea06cfc61808c22fe",""],["RunsBurnedMany","PLN",[3099],[201]],["RunsMintedMany","PLN","bob",12000,[100,30],[200,1]],["FragmentsMinted","PLN","alice",13000,[70]],["FragmentsReserved","PLN","ed632fd89614461ea06cfc61808c22fe",[13000]]]',X'DFE05FB04FD27455C42A10A3E634D3094FCF94F5E9FA47B28DDFE6D57471ADD2','[]');
INSERT INTO "commits" VALUES(15,18,1767225960000000,'[]','[4]','[["Moved","PLN","alice","bob",30001,""],["RunsBurnedMany","PLN",[6000,3000,3401],[2,99,201]],["RunsMintedMany","PLN","bob",17000,[100,1],[300,1]],["FragmentsMinted","PLN","alice",18000,[99]]]',X'A35F6F80ECA76AD13BE46A5D2A4CCD15567529684621D28C7657BC64DF4A2943','[]');
INSERT INTO "commits" VALUES(19,20,1767226020000000,'[]','[2]','[["Released","PLN","court","alice",10070,"ed632fd89614461ea06cfc61808c22fe",false,""],["RunsReleasedMany","PLN","ed632fd89614461ea06cfc61808c22fe",[13000,3300],[1,100]]]',X'6383D274095C4411B886293D11DCE3BC176C659146335406B59A1EA7FE74A2D7','[]');
CREATE TABLE metadata (
    entry INTEGER PRIMARY KEY,
    salt BLOB NOT NULL,
    content TEXT NOT NULL
) STRICT;
CREATE TABLE streams (
    stream TEXT NOT NULL,
    last_version INTEGER NOT NULL,
    first_version INTEGER NOT NULL,
    first_position INTEGER NOT NULL,
    PRIMARY KEY (stream, last_version)
) STRICT, WITHOUT ROWID;
INSERT INTO "streams" VALUES('PLN',1,1,1);
INSERT INTO "streams" VALUES('PLN',3,2,2);
INSERT INTO "streams" VALUES('PLN',7,4,4);
INSERT INTO "streams" VALUES('PLN',9,8,8);
INSERT INTO "streams" VALUES('PLN',14,10,10);
INSERT INTO "streams" VALUES('PLN',18,15,15);
INSERT INTO "streams" VALUES('PLN',20,19,19);
CREATE TRIGGER commits_follow_each_other BEFORE INSERT ON commits
WHEN NEW.last_position < NEW.first_position OR NEW.first_position IS NOT
    1 + ifnull((SELECT last_position FROM commits ORDER BY first_position DESC LIMIT 1), 0)
BEGIN SELECT RAISE(ABORT, 'a commit begins after the last position'); END;
CREATE TRIGGER streams_follow_each_other BEFORE INSERT ON streams
WHEN NEW.last_version < NEW.first_version OR NEW.first_version <=
    (SELECT last_version FROM streams WHERE stream = NEW.stream ORDER BY last_version DESC LIMIT 1)
BEGIN SELECT RAISE(ABORT, 'a stream goes on after its last version'); END;
CREATE TRIGGER commits_are_not_updated BEFORE UPDATE ON commits
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER commits_are_not_deleted BEFORE DELETE ON commits
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER streams_are_not_updated BEFORE UPDATE ON streams
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER streams_are_not_deleted BEFORE DELETE ON streams
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER metadata_is_of_the_newest_commit BEFORE INSERT ON metadata
WHEN (NEW.entry BETWEEN (SELECT first_position FROM commits ORDER BY first_position DESC LIMIT 1)
    AND (SELECT last_position FROM commits ORDER BY first_position DESC LIMIT 1)) IS NOT TRUE
    OR EXISTS (SELECT 1 FROM metadata WHERE entry = NEW.entry)
BEGIN SELECT RAISE(ABORT, 'metadata is of the newest commit'); END;
CREATE TRIGGER metadata_is_not_updated BEFORE UPDATE ON metadata
BEGIN SELECT RAISE(ABORT, 'metadata is not changed'); END;
CREATE TRIGGER metadata_is_erased_with_a_record BEFORE DELETE ON metadata
WHEN NOT EXISTS (SELECT 1 FROM (SELECT body FROM commits ORDER BY first_position DESC LIMIT 1)
    WHERE instr(body, '["MetadataErased",' || OLD.entry || ',') > 0)
BEGIN SELECT RAISE(ABORT, 'metadata is erased by a commit that says so'); END;
COMMIT;
PRAGMA application_id = 2047964540;
PRAGMA user_version = 2;
